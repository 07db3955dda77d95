import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { listening, open, receive } from './raw.ts'

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
