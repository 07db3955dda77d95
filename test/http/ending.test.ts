import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { testServer } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { listening, open, receive, takeTime } from './raw.ts'

test('who is slow to take in an answer has all of it, however often idle connections are closed', async (t) => {
  const length = 32 * 1024 * 1024
  const { server, port } = await listening(t, (_, response) => void response.end(Buffer.alloc(length)))
  const socket = await open(port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'readable')
  const closing = setInterval(() => server.closeIdleConnections(), 10)
  t.after(() => clearInterval(closing))
  // By then one that was idle has been closed.
  const idle = await open(port)
  idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(idle.resume(), 'close')
  let received = 0
  for await (const chunk of socket) received += (chunk as Buffer).length
  assert.ok(received > length, `${received}`)
})

test('a request that came while the thread stood still is answered, however long its connection seemed idle', async (t) => {
  const { server, port } = await listening(t, (_, response) => void response.end())
  const socket = await open(port)
  let [asked, answered] = [0, 0]
  socket.on('data', () => answered++)
  const ask = () => {
    asked++
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  }
  const standsStill = (inPhase: (call: () => void) => void) =>
    new Promise<void>((resolve) =>
      inPhase(() => {
        server.closeIdleConnections()
        ask()
        takeTime(150)
        server.closeIdleConnections()
        resolve()
      }),
    )
  const whilePolling = (call: () => void) => {
    socket.once('data', call)
    ask()
  }
  ask()
  for (const inPhase of [setTimeout, whilePolling, setImmediate]) {
    await eventually(() => answered === asked)
    await standsStill(inPhase)
  }
  await eventually(() => answered === asked)
})

test('what is under way when a server begins to end says that its connection ends', async (t) => {
  const held: ServerResponse[] = []
  const { server, port } = await listening(t, (_, response) => void held.push(response))
  const socket = await open(port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(() => held.length === 1)
  server.closeIdleConnections()
  held[0]?.end()
  assert.match(await receive(socket), /\r\nConnection: close\r\n/)
})

test('who asks again and again when a server ends has each answer, and is told to go with the last', async () => {
  const server = await testServer()
  const slot = `/signatures/team/app@${exampleDigest().replace(':', '=')}/signature-1`
  const requests = ['/healthz', slot].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () => ({
      socket: await open(server.port),
      asked: 0,
      answers: 0,
      isTold: false,
    })),
  )
  for (const [index, client] of clients.entries()) {
    const { socket } = client
    const ask = () => {
      client.asked++
      socket.write(requests[index % 2] as string)
    }
    socket.setEncoding('latin1').on('data', (text: string) => {
      client.answers += text.match(/HTTP\/1\.1 (?:200|404) /g)?.length ?? 0
      client.isTold ||= /\r\nConnection: close\r\n/i.test(text)
      if (client.answers === client.asked && !client.isTold) ask()
    })
    ask()
  }
  await eventually(() => clients.every(({ answers }) => answers > 5))
  await server.close()
  await eventually(() => clients.every(({ socket }) => socket.destroyed))
  for (const { asked, answers, isTold } of clients) assert.deepEqual([answers, isTold], [asked, true])
})
