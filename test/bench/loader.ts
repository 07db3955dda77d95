import { readFileSync } from 'node:fs'
import { expectStatus, open, readImage, trusting } from './connection.ts'
import { newBlob, newDigest, signaturesPerDigest } from './data-folder.ts'

/** A process of its own, so that its work is not taken for the server's: does one job and sends what it measured. */

export type Job = { port: number; ca: string; seconds: number } & (
  | { kind: 'cold'; clients: number; paths: string }
  | { kind: 'upload'; clients: number; token: string }
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
      await once(index)
      const now = performance.now()
      times.push(now - from)
      from = now
    }
  }
  await Promise.all(Array.from({ length: job.clients }, (_, index) => client(index)))
  return { seconds: (performance.now() - start) / 1000, times }
}

/** Connects, reads signature-1, -2 and the 404 of -3, and closes. */
function coldClient({ port, ca, paths }: Job & { kind: 'cold' }): () => Promise<void> {
  const context = trusting(readFileSync(ca, 'utf8'))
  const images = readFileSync(paths, 'utf8').trimEnd().split('\n')
  return async () => {
    const path = images[Math.floor(Math.random() * images.length)] as string
    const connection = await open(port, context)
    await readImage(connection, path)
    await connection.close()
  }
}

/** Each posts signatures over a connection of its own, no two alike. */
async function signers({
  port,
  ca,
  clients,
  token,
}: Job & { kind: 'upload' }): Promise<(index: number) => Promise<void>> {
  const context = trusting(readFileSync(ca, 'utf8'))
  const connections = await Promise.all(Array.from({ length: clients }, () => open(port, context)))
  let uploads = 0
  let digest = newDigest()
  return async (index) => {
    if (uploads++ % signaturesPerDigest === 0) digest = newDigest()
    const blob = newBlob(digest)
    const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${blob.length}\r\n\r\n`
    const answer = await connections[index]?.ask(Buffer.concat([Buffer.from(head), blob]))
    expectStatus(answer, 201)
  }
}

process.once('message', async (job: Job) => {
  process.send?.(await work(job), () => process.exit())
})
