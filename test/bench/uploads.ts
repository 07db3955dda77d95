import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { median, type Subject } from './compare.ts'
import { expectStatus, open, trusting, uploadOf } from './connection.ts'
import { newBlob, newDigest } from './data-folder.ts'
import { installed } from './installed.ts'
import { measureLoad } from './load.ts'
import { certificateOf } from './reads.ts'
import { type Benchmark, compareAndSay } from './settings.ts'
import { shellLoop } from './shell-loop.ts'
import { algorithm, signedBlobs } from './signed.ts'
import { entry, startLookaside, type WebServer } from './web-servers.ts'

export const signers = 32

/** More than are taken in a second: a round that uses up its signatures ends. */
const mostASecond = 6000

/** statfs(2): the type of a file system in memory. */
const tmpfs = 0x01021994

export const uploads: Benchmark = {
  without: { gpg: 'the shell loop', bash: 'the shell loop' },
  async run({ rounds, scratch, workers, quick, say }) {
    const dataFolder = join(scratch, 'data')
    const [gpg, bash] = [installed('gpg'), installed('bash')]
    const signed = signedBlobs(scratch)
    const size = quick ? 1000 : rounds.seconds * mostASecond
    const batches = signed.batches(rounds.count + 1, size)
    const server = await startLookaside(dataFolder, { workers, policy: signed.policy })
    const loop = gpg && bash ? shellLoop(join(scratch, 'loop'), { gpg, bash }) : null
    try {
      const us = await uploading(server, dataFolder, batches)
      const title = `Upload: ${signers} signers over TLS; each upload is verified (${algorithm}), and durable before its answer`
      await compareAndSay({ rounds, say }, title, 'uploads', loop ? [loop, us] : [us])
      const delay = median(us.delays.slice(-rounds.count)) ?? 0
      say(`The tree was complete ${delay.toFixed(1)} s after the last upload of a round.`)
      if (statfsSync(scratch).type === tmpfs)
        say('The temporary folder is in memory: being durable costs nothing there. Set TMPDIR.')
    } finally {
      loop?.stop()
      await server.stop()
    }
  },
}

interface Uploading extends Subject {
  /** How long after the uploads of each round the tree was complete, in seconds. */
  delays: number[]
}

/** We, taking signatures from 32 signers at once: one batch a round. */
async function uploading(
  { name, port, pid }: WebServer,
  dataFolder: string,
  batches: string[],
): Promise<Uploading> {
  const token = newToken(dataFolder)
  const { ca } = certificateOf(dataFolder)
  await expectVerification(port, ca, token)
  const delays: number[] = []
  const left = batches.values()
  const treeComplete = async () => {
    const start = performance.now()
    await treeIsComplete(dataFolder)
    delays.push((performance.now() - start) / 1000)
  }
  return {
    name,
    delays,
    measure: (seconds) => {
      const { value: blobs = '' } = left.next()
      const job = { kind: 'upload', port, ca, seconds, token, clients: signers, blobs } as const
      return measureLoad(pid, job, treeComplete)
    },
  }
}

/** That may upload to every repository. */
export function newToken(dataFolder: string): string {
  const flags = ['--data', dataFolder, '--name', 'bench', '--allow', 'push:**']
  const args = [entry, 'token', 'create', ...flags]
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()
}

/** @throws where the server takes what no key has signed: there would be nothing to measure. */
export async function expectVerification(port: number, ca: string, token: string): Promise<void> {
  const connection = await open(port, trusting(readFileSync(ca, 'utf8')))
  expectStatus(await connection.ask(uploadOf(newBlob(newDigest()), token)), 422)
  await connection.close()
}

export async function treeIsComplete(dataFolder: string): Promise<void> {
  const storage = openSqlite({ dataFolder })
  const { seq } = await storage.head()
  await storage.close()
  while ((await readPosition(treeOf(dataFolder)))?.seq !== seq) await wait(20)
}
