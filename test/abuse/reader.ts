import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { parentPort, workerData } from 'node:worker_threads'
import { goFirst } from '../apart.ts'
import { answersIn } from './answers.ts'

/** What is to be answered. */
export interface Expected {
  path: string
  status: number
  sha256: string
}

/** What is posted in the end: times in milliseconds, on a connection that is kept and on new ones. */
export interface Measured {
  wrong: string[]
  kept: number[]
  fresh: number[]
}

const { port, ca, expected } = workerData as { port: number; ca: Uint8Array; expected: Expected[] }
if (process.env.APART) goFirst()

/** As a client does it, some hundred times a second; every twentieth time with a connection of its own. */
const pauseMilliseconds = 5
const everySoMany = 20

/** Reads by which this program gets warm; they have to be right, and are not in the figures. */
const warming = 200

const measured: Measured = { wrong: [], kept: [], fresh: [] }
let ended = false
parentPort?.once('message', () => {
  ended = true
})
let kept = open()
for (let count = 0; count < warming; count++) await readOne(count, kept)
parentPort?.postMessage('ready')
for (let count = 0; !ended || measured.fresh.length === 0; count++) {
  const isFresh = count % everySoMany === everySoMany - 1
  const start = performance.now()
  if (isFresh) {
    const socket = open()
    await readOne(count, socket)
    socket.destroy()
  } else {
    // The server may end it where it likes, as between any two requests.
    if (kept.destroyed) kept = open()
    await readOne(count, kept)
  }
  measured[isFresh ? 'fresh' : 'kept'].push(performance.now() - start)
  await wait(pauseMilliseconds)
}
kept.destroy()
parentPort?.postMessage(measured)

function open(): TLSSocket {
  const socket = connect({ host: '127.0.0.1', port, ca: Buffer.from(ca) })
  return socket.setNoDelay().on('error', () => {})
}

async function readOne(count: number, socket: TLSSocket): Promise<void> {
  const { path, status, sha256 } = expected[count % expected.length] as Expected
  const answer = await read(socket, path)
  if (answer !== `${status} ${sha256}`) measured.wrong.push(`${path}: ${answer}`)
}

/** Status and SHA-256 of the answer, or what came instead of one. */
function read(socket: TLSSocket, path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = Buffer.alloc(0)
  const closed = () => resolve(`${received.length} bytes, and the end`)
  const come = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    const { answers, rest } = answersIn(received)
    const [{ status, body } = { status: 0, body: '' }] = answers
    if (rest && status) resolve(`${status}, and more`)
    else if (status) resolve(`${status} ${createHash('sha256').update(body, 'latin1').digest('hex')}`)
  }
  socket.on('data', come).once('close', closed)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\n\r\n`)
  return promise.finally(() => socket.off('data', come).off('close', closed))
}
