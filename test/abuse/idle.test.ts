import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { receive } from './answers.ts'
import { comes, nowhere, startAttacked } from './attacked.ts'
import { connections, manyTimes, patience } from './connections.ts'

/** What one may cost: with 10,000 of them, a gigabyte. */
const maxBytesEach = 100_000

test(`${connections} TLS connections that say nothing any more are held, each for little, and let go`, async (t) => {
  const attacked = await startAttacked()
  const [{ path } = { path: '' }] = attacked.expected
  const before = attacked.openFiles()
  const start = attacked.memory().now
  let answered = 0
  const idle = await attacked.whileReading(t, `${connections} idle connections`, async () => {
    const sockets = await manyTimes(connections, async (index) => {
      const socket = await attacked.open(index)
      socket.on('data', () => {})
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await comes(socket, 'data')
      answered++
      // Who wants to stay asks again, before the server takes it for gone.
      const again = setInterval(() => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`), 30_000)
      socket.once('close', () => clearInterval(again))
      return socket
    })
    // What it has open for its start, it closes meanwhile: the connections alone are counted.
    assert.equal(sockets.filter(({ destroyed, readable }) => !destroyed && readable).length, connections)
    assert.ok(attacked.openFiles() >= connections)
    const each = (attacked.memory().now - start) / connections
    t.diagnostic(`${connections} idle TLS connections: ${(each / 1024).toFixed(0)} KiB each`)
    // Of few the memory is mostly that of the program getting warm.
    if (connections >= 1000) assert.ok(each < maxBytesEach)
    return sockets
  })
  assert.equal(answered, connections)
  await attacked.whileReading(t, 'while all are there', () =>
    manyTimes(
      connections,
      async (index) => {
        const socket = idle[index % idle.length]
        socket?.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
        if (socket) await comes(socket, 'data')
      },
      1,
    ).then(() => {}),
  )
  await attacked.whileReading(t, 'while all go at once', async () => {
    for (const socket of idle) socket.destroy()
    await eventually(() => attacked.openFiles() <= before + 5)
  })
  await attacked.end()
})

test(`${connections} connections that never shake hands are cut off, and leave nothing behind`, async (t) => {
  const attacked = await startAttacked([], patience)
  const before = attacked.openFiles()
  const start = attacked.memory().now
  await attacked.whileReading(t, `${connections} connections without a handshake`, async () => {
    const ends = await manyTimes(connections, async (index) => {
      const socket = connect({ ...nowhere(index), port: attacked.server.port })
      await comes(socket, 'connect')
      return { end: receive(socket) }
    })
    const each = (attacked.memory().now - start) / connections
    t.diagnostic(`${connections} connections without a handshake: ${(each / 1024).toFixed(0)} KiB each`)
    for (const { end } of ends) assert.equal((await end).length, 0)
  })
  await eventually(() => attacked.openFiles() <= before)
  await attacked.end()
})
