import { readFileSync } from 'node:fs'
import { expectStatus, open, readImage, trusting, uploadOf } from './connection.ts'
import { readBlobs } from './signed.ts'

/** A process of its own, so that its work is not taken for the server's: does one job and sends what it measured. */

export type Job = { port: number; ca: string; seconds: number } & (
  | { kind: 'cold'; clients: number; paths: string }
  /** `blobs`: a file for `readBlobs`; when it is used up, that is the end, whatever `seconds` says. */
  | { kind: 'upload'; clients: number; token: string; blobs: string }
)

export interface Measured {
  seconds: number
  /** How long each unit of work took, in milliseconds. */
  times: number[]
}

async function work(job: Job): Promise<Measured> {
  const once = job.kind === 'cold' ? coldClient(job) : await signers(job)
  const times: number[] = []
  const start = performance.now()
  const end = start + job.seconds * 1000
  const client = async (index: number) => {
    for (let from = performance.now(); from < end; ) {
      if (!(await once(index))) return
      const now = performance.now()
      times.push(now - from)
      from = now
    }
  }
  await Promise.all(Array.from({ length: job.clients }, (_, index) => client(index)))
  return { seconds: (performance.now() - start) / 1000, times }
}

/** A unit of work of that client; false: there was none left. */
type Once = (client: number) => Promise<boolean>

/** Connects, reads signature-1, -2 and the 404 of -3, and closes. */
function coldClient({ port, ca, paths }: Job & { kind: 'cold' }): Once {
  const context = trusting(readFileSync(ca, 'utf8'))
  const images = readFileSync(paths, 'utf8').trimEnd().split('\n')
  return async () => {
    const path = images[Math.floor(Math.random() * images.length)] as string
    const connection = await open(port, context)
    await readImage(connection, path)
    await connection.close()
    return true
  }
}

/** Each posts signatures over a connection of its own. */
async function signers({ port, ca, clients, token, blobs }: Job & { kind: 'upload' }): Promise<Once> {
  const context = trusting(readFileSync(ca, 'utf8'))
  const connections = await Promise.all(Array.from({ length: clients }, () => open(port, context)))
  const left = readBlobs(blobs).values()
  return async (client) => {
    const { value: blob } = left.next()
    if (!blob) return false
    expectStatus(await connections[client]?.ask(uploadOf(blob, token)), 201)
    return true
  }
}

process.once('message', async (job: Job) => {
  process.send?.(await work(job), () => process.exit())
})
