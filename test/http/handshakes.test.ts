import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, connect, createServer as createPlainServer, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { handshakesInTurns } from '../../src/http/handshakes.ts'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { takeTime } from './raw.ts'

/** A server whose handshakes do nothing but say in which turn of the event loop they began, and take their time. */
async function recording(t: TestContext, silentMilliseconds: number) {
  const begun: { socket: Socket; turn: number }[] = []
  const server = createServer()
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    begun.push({ socket, turn: performance.nodeTiming.uvMetricsInfo.loopCount })
    // More than all else that there is to do in a turn: no time is left for a second one.
    takeTime(5)
  })
  handshakesInTurns(server, silentMilliseconds)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const open: Socket[] = []
  t.after(() => {
    for (const socket of [...open, ...begun.map(({ socket }) => socket)]) socket.destroy()
    server.close()
  })
  return {
    begun,
    async open(): Promise<Socket> {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
      open.push(socket)
      await Promise.all([once(socket, 'connect'), once(server, 'connection')])
      return socket
    },
  }
}

test('many connections at once are begun in as many turns, in the order in which they speak', async (t) => {
  const server = await recording(t, 60_000)
  const sockets: Socket[] = []
  for (let count = 0; count < 40; count++) sockets.push(await server.open())
  // By then the ones before it are read from.
  await server.open()
  const order = sockets.toReversed()
  for (const socket of order) socket.write('\x16')
  await eventually(() => server.begun.length === sockets.length)
  const turns = server.begun.map(({ turn }) => turn)
  // On a busy machine one or the other turn is long enough for two.
  assert.ok(new Set(turns).size > sockets.length / 2)
  assert.deepEqual(
    server.begun.map(({ socket }) => socket.remotePort),
    order.map(({ localPort }) => localPort),
  )
})

test('who says nothing is cut off, who goes without a word is forgotten, and both take no turn', async (t) => {
  const server = await recording(t, 100)
  const silent = await server.open()
  const ended = await server.open()
  ended.end()
  await Promise.all([silent, ended].map((socket) => once(socket.resume(), 'close')))
  assert.equal(server.begun.length, 0)
  const patient = await recording(t, 60_000)
  const speaking = await patient.open()
  speaking.write('\x16')
  await eventually(() => patient.begun.length === 1)
})

test('who has gone when his turn comes takes none', async (t) => {
  const server = await recording(t, 60_000)
  const sockets: Socket[] = []
  for (let count = 0; count < 40; count++) sockets.push(await server.open())
  await server.open()
  let closed = 0
  for (const socket of sockets) socket.resume().once('close', () => closed++)
  for (const socket of sockets) socket.end('\x16')
  await eventually(() => {
    for (const { socket } of server.begun) socket.destroy()
    return closed === sockets.length
  })
  assert.ok(server.begun.length < sockets.length / 2, `${server.begun.length} were begun`)
})

/** The first message of a TLS handshake, as a client of Node sends it. */
async function clientHello(): Promise<Buffer> {
  const server = createPlainServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connectTls((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [hello] = await once(socket, 'data')
  client.destroy()
  server.close()
  return hello as Buffer
}

test('a first message in pieces is answered as one, and who breaks off anywhere in it ends that connection alone', async () => {
  const server = await testServer({ tls: { mode: 'auto', names: [] } })
  const hello = await clientHello()
  const open = async (...pieces: Buffer[]) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
    await once(socket, 'connect')
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve))
    return socket
  }
  const pieces = await open(hello.subarray(0, 1), hello.subarray(1, 7), hello.subarray(7))
  const [answer] = (await once(pieces, 'data')) as [Buffer]
  // A handshake message, from RFC 8446, section 5.1.
  assert.equal(answer[0], 0x16)
  pieces.destroy()
  for (const piece of [
    hello.subarray(0, 0),
    hello.subarray(0, 20),
    hello,
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ]) {
    const ending = await open(piece)
    ending.end()
    const breaking = await open(piece)
    const closed = once(ending.resume(), 'close')
    breaking.resetAndDestroy()
    await closed
  }
  const { status } = await ask(server, 'GET', '/healthz', { ca: Buffer.alloc(0), rejectUnauthorized: false })
  assert.equal(status, 200)
  await server.close()
})
