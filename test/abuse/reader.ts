import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { goFirst } from '../apart.ts'
import { type Connection, open, trusting } from '../bench/connection.ts'
import { openAgain } from './connections.ts'

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
const trusted = trusting(Buffer.from(ca).toString())
const kept = await openAgain(() => open(port, trusted))
for (let count = 0; count < warming; count++) await read(kept, count)
parentPort?.postMessage('ready')
for (let count = 0; !ended || measured.fresh.length === 0; count++) {
  const isFresh = count % everySoMany === everySoMany - 1
  const start = performance.now()
  const connection = isFresh ? await openAgain(() => open(port, trusted)) : kept
  await read(connection, count)
  measured[isFresh ? 'fresh' : 'kept'].push(performance.now() - start)
  if (isFresh) await connection.close()
  await wait(pauseMilliseconds)
}
await kept.close()
parentPort?.postMessage(measured)

async function read(connection: Connection, count: number): Promise<void> {
  const { path, status, sha256 } = expected[count % expected.length] as Expected
  const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\n\r\n`
  const answer = await connection.ask(request).catch(String)
  const said = typeof answer === 'string' ? answer : `${answer.status} ${sha256Of(answer.body)}`
  if (said !== `${status} ${sha256}`) measured.wrong.push(`${path}: ${said}`)
}

function sha256Of(octets: string): string {
  return createHash('sha256').update(octets, 'latin1').digest('hex')
}
