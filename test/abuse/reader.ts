import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type RequestOptions, request } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { goFirst } from '../apart.ts'

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

const measured: Measured = { wrong: [], kept: [], fresh: [] }
let ended = false
parentPort?.once('message', () => {
  ended = true
})
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
for (let count = 0; !ended || measured.fresh.length === 0; count++) {
  const one = expected[count % expected.length] as Expected
  const isFresh = count % everySoMany === everySoMany - 1
  const start = performance.now()
  const answer = await read(one, isFresh ? { agent: false } : { agent }).catch(String)
  measured[isFresh ? 'fresh' : 'kept'].push(performance.now() - start)
  if (answer !== `${one.status} ${one.sha256}`) measured.wrong.push(`${one.path}: ${answer}`)
  await wait(pauseMilliseconds)
}
agent.destroy()
parentPort?.postMessage(measured)

async function read({ path }: Expected, options: RequestOptions): Promise<string> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path,
    ca: Buffer.from(ca),
    headers: { 'user-agent': 'Go-http-client/1.1' },
    ...options,
  }).end()
  const [response] = await once(asked, 'response')
  const hash = createHash('sha256')
  for await (const chunk of response) hash.update(chunk)
  return `${response.statusCode} ${hash.digest('hex')}`
}
