import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { answersIn, receive } from './answers.ts'
import { comes, nowhere, startAttacked } from './attacked.ts'
import { connections, manyTimes, openAgain, patience } from './connections.ts'

/** As many as send something all the time. */
const slow = Math.ceil(connections / 5)
const trickleMilliseconds = 500

/** Sends an octet now and then until it is cut off; returns the statuses that came. */
async function trickle(socket: Duplex, octet: string): Promise<string> {
  const timer = setInterval(() => socket.writable && socket.write(octet), trickleMilliseconds)
  const { answers, rest } = answersIn(await receive(socket))
  clearInterval(timer)
  return answers.map(({ status }) => status).join(' ') + rest
}

test(`${slow} clients that send headers, ${slow} that send bodies and ${2 * slow} that shake hands octet by octet are cut off`, async (t) => {
  const attacked = await startAttacked([], patience)
  const token = await attacked.token('push:**')
  const before = attacked.openFiles()
  const body = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000\r\n\r\n`

  const start = async (bytes: string, octet: string, index: number) => {
    const socket = await openAgain(() => attacked.open(index))
    socket.write(bytes)
    return { statuses: trickle(socket, octet) }
  }
  const startHandshake = async (index: number) => {
    const socket = connect({ ...nowhere(index), port: attacked.server.port })
    await comes(socket, 'connect')
    // The start of a ClientHello of 512 octets, or nothing.
    if (index % 2) socket.write(Buffer.from('1603010200010001fc0303', 'hex'))
    return { statuses: index % 2 ? trickle(socket, '\0') : receive(socket).then(String) }
  }
  const attacks: Record<
    string,
    { begin(index: number): Promise<{ statuses: Promise<string> }>; end: string; count: number }
  > = {
    headers: { begin: (index) => start('GET / HTTP/1.1\r\nA: ', 'b', index), end: '408', count: slow },
    bodies: { begin: (index) => start(body, 'b', index), end: '408', count: slow },
    handshakes: { begin: startHandshake, end: '', count: 2 * slow },
  }
  for (const [name, { begin, end, count }] of Object.entries(attacks))
    await attacked.whileReading(t, `${count} slow ${name}`, async () => {
      const begun = await manyTimes(count, begin)
      const ends = new Set(await Promise.all(begun.map(({ statuses }) => statuses)))
      // Who was late to begin may be cut off in between.
      ends.delete('')
      assert.deepEqual([...ends], end ? [end] : [])
    })
  await eventually(() => attacked.openFiles() <= before)
  await attacked.end()
})
