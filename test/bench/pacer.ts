import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { placeFile, syncFolder } from '../../src/durable/durable.ts'
import { type Connection, expectStatus, open, trusting, uploadOf } from './connection.ts'
import { newDigest, signaturesPerDigest } from './data-folder.ts'
import { readBlobs } from './signed.ts'

/**
 * A process of its own that writes so many signatures a second, however long each takes: where they are slow, more wait,
 * and no fewer come. Told a job, it says `ready`; told to start, it starts; told to stop, it sends what it measured, when
 * all that was begun has ended.
 */

export type SteadyJob = {
  perSecond: number
  /** A file for `readBlobs`, of as many as it can come to. */
  blobs: string
} & (
  | { kind: 'uploads'; port: number; ca: string; token: string; clients: number }
  /** Durably into a tree, as whoever keeps one without a server should. `staging` is on the same file system. */
  | { kind: 'files'; tree: string; staging: string }
)

export type Order = SteadyJob | 'start' | 'stop'

export interface Written {
  /** From start to stop. */
  seconds: number
  /** What was done by the stop. */
  done: number
  errors: number
  /** Of each, in milliseconds, from when it should have begun. */
  times: number[]
}

/** What has not ended by then never will, and is an error. */
const patienceMilliseconds = 10_000

type Write = (blob: Buffer) => Promise<void>

async function pace({ perSecond, blobs }: SteadyJob, write: Write, stopped: () => boolean): Promise<Written> {
  const times: number[] = []
  const underWay = new Set<Promise<void>>()
  let errors = 0
  let begun = 0
  const start = performance.now()
  for (const blob of readBlobs(blobs)) {
    const due = start + (begun++ * 1000) / perSecond
    while (!stopped() && performance.now() < due) await wait(Math.max(1, due - performance.now()))
    if (stopped()) break
    const done: Promise<void> = write(blob).then(
      () => {
        times.push(performance.now() - due)
        underWay.delete(done)
      },
      () => {
        errors++
        underWay.delete(done)
      },
    )
    underWay.add(done)
  }
  const [seconds, done] = [(performance.now() - start) / 1000, times.length]
  await Promise.race([Promise.all(underWay), wait(patienceMilliseconds)])
  return { seconds, done, errors: errors + underWay.size, times }
}

async function uploader({ port, ca, token, clients }: SteadyJob & { kind: 'uploads' }): Promise<Write> {
  const context = trusting(readFileSync(ca, 'utf8'))
  const free = await Promise.all(Array.from({ length: clients }, () => open(port, context)))
  const waiting: ((connection: Connection) => void)[] = []
  return async (blob) => {
    // All in turn, so that the server takes none for idle.
    const connection = free.shift() ?? (await new Promise<Connection>((resolve) => waiting.push(resolve)))
    try {
      expectStatus(await connection.ask(uploadOf(blob, token)), 201)
    } finally {
      const next = waiting.shift()
      if (next) next(connection)
      else free.push(connection)
    }
  }
}

function fileWriter({ tree, staging }: SteadyJob & { kind: 'files' }): Write {
  let written = 0
  let digest = newDigest()
  return async (blob) => {
    const slot = (written++ % signaturesPerDigest) + 1
    if (slot === 1) digest = newDigest()
    const folder = join(tree, `team/app${digest.slice(-2)}@${digest.replace(':', '=')}`)
    await mkdir(folder, { recursive: true })
    await placeFile(join(folder, `signature-${slot}`), blob, staging)
    await syncFolder(folder)
    await syncFolder(join(tree, 'team'))
  }
}

const { promise: started, resolve: start } = Promise.withResolvers<void>()
const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
let isStopped = false

process.on('message', async (order: Order) => {
  if (order === 'start') return start()
  if (order === 'stop') {
    isStopped = true
    return stop()
  }
  const write = order.kind === 'uploads' ? await uploader(order) : fileWriter(order)
  process.send?.('ready')
  await started
  const written = await pace(order, write, () => isStopped)
  // Nobody listens before that, should the blobs be at their end.
  await stopped
  process.send?.(written, () => process.exit())
})
