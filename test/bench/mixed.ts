import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { treeOf } from '../../src/tree/tree.ts'
import { type Comparison, compare, median, ratios, type Sample, type Subject } from './compare.ts'
import { fillDataFolder, signaturesPerDigest } from './data-folder.ts'
import { installed } from './installed.ts'
import type { SteadyJob } from './pacer.ts'
import { certificateOf, digestsToRead, readAll } from './reads.ts'
import { medianTimes, number, progress, range, table } from './report.ts'
import type { Benchmark } from './settings.ts'
import { algorithm, signedBlobs } from './signed.ts'
import { type SteadyResult, whileWriting } from './steady.ts'
import { expectVerification, newToken, signers, treeIsComplete } from './uploads.ts'
import { startLookaside, startNginx, type WebServer } from './web-servers.ts'
import { readWithWrk, wrkClients } from './wrk.ts'

const perSecond = 500

/** wrk starts and ends within this, beside the seconds for which it reads. */
const spareSeconds = 5

interface MixedSample extends Sample {
  written: SteadyResult | null
}

export const mixed: Benchmark = {
  without: { wrk: 'all of it', nginx: 'nginx' },
  async run(settings) {
    const { scratch, workers, rounds, say } = settings
    const wrk = installed('wrk')
    if (!wrk) return
    const digests = digestsToRead(settings)
    const filling = (done: number) => progress('filling', done, digests)
    const directories = await fillDataFolder(settings.dataFolder, digests, filling)
    // What is added here is for nobody else.
    const dataFolder = join(scratch, 'data')
    cpSync(settings.dataFolder, dataFolder, { recursive: true })
    const tree = join(scratch, 'tree')
    cpSync(treeOf(settings.dataFolder).root, tree, { recursive: true })
    const paths = join(scratch, 'paths')
    writeFileSync(paths, `${directories.join('\n')}\n`)

    const signed = signedBlobs(scratch)
    const sizeOfBatch = (rounds.seconds + spareSeconds) * perSecond
    const batches = signed.batches(2 * (rounds.count + 1), sizeOfBatch).values()
    const servers: WebServer[] = []
    const reading = (server: WebServer, seconds: number) =>
      readWithWrk(wrk, server, { paths, seconds, cold: false })
    const pair = (server: WebServer, what: string, job: WriteJob, settled: () => Promise<void>) => {
      const alone: Subject<MixedSample> = {
        name: server.name,
        measure: async (seconds) => ({ ...(await reading(server, seconds)), written: null }),
      }
      const beside: Subject<MixedSample> = {
        name: `${server.name}, ${perSecond} ${what}/s`,
        async measure(seconds) {
          const { value: blobs = '' } = batches.next()
          const { result, written } = await whileWriting({ ...job, perSecond, blobs }, () =>
            reading(server, seconds),
          )
          await settled()
          return { ...result, written }
        },
      }
      return [alone, beside]
    }
    try {
      const lookaside = await startLookaside(dataFolder, { workers, policy: signed.policy })
      servers.push(lookaside)
      const certificate = certificateOf(dataFolder)
      const { ca } = certificate
      const token = newToken(dataFolder)
      await expectVerification(lookaside.port, ca, token)
      const job: WriteJob = { kind: 'uploads', port: lookaside.port, ca, token, clients: signers }
      const subjects = pair(lookaside, 'uploads', job, () => treeIsComplete(dataFolder))
      const nginx = installed('nginx')
      if (nginx) {
        const server = await startNginx(nginx, { tree, ...certificate, scratch }, { openFileCache: false })
        servers.push(server)
        const staging = join(scratch, 'staging')
        mkdirSync(staging)
        subjects.push(...pair(server, 'files', { kind: 'files', tree, staging }, async () => {}))
      }
      for (const server of servers) await readAll(server, ca, directories)
      const comparisons = await compare(subjects, rounds, (done, total) => progress('measuring', done, total))
      say(
        `Mixed: ${digests} digests of ${signaturesPerDigest} signatures, over TLS, kept alive, ${wrkClients} clients, one 404 in three; ` +
          `uploads over TLS, verified (${algorithm}) and durable; ${rounds.count} rounds of ${rounds.seconds} s\n${mixedTable(comparisons)}`,
      )
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  },
}

type WriteJob = SteadyJob extends infer Job
  ? Job extends SteadyJob
    ? Omit<Job, 'perSecond' | 'blobs'>
    : never
  : never

/** Subjects come in pairs, alone and beside what is written; ratios are of the second to the first. */
function mixedTable(comparisons: Comparison<MixedSample>[]): string {
  const heading = [
    ...['', '99 % ×', '(range)', 'requests ×', 'requests/s', '50 %', '99 %', '99.9 % ms'],
    ...['written/s', 'errors', '50 %', '99 %', '99.9 % ms'],
  ]
  const rows = comparisons.map((comparison, index) => {
    const { name, samples } = comparison
    const alone = comparisons[index - (index % 2)] as Comparison<MixedSample>
    const slower = ratios(comparison, alone, ({ times }) => times?.[1])
    const written = samples.flatMap(({ written }) => written ?? [])
    const errors = written.length ? written.reduce((sum, { errors }) => sum + errors, 0) : null
    return [
      name,
      number(median(slower), 2),
      range(slower, 2),
      number(median(ratios(comparison, alone, ({ rate }) => rate)), 2),
      number(median(samples.map(({ rate }) => rate)), 0),
      ...medianTimes(samples.map(({ times }) => times)),
      number(median(written.map(({ rate }) => rate)), 0),
      number(errors, 0),
      ...medianTimes(written.map(({ times }) => times)),
    ]
  })
  return table([heading, ...rows])
}
