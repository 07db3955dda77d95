import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositories } from './big-database.ts'
import { median, percentilesOf } from './compare.ts'
import { open, readImage, trusting } from './connection.ts'
import { residentMebibytes } from './cpu.ts'
import { installed } from './installed.ts'
import { measureLoad } from './load.ts'
import { queryTimes } from './queries.ts'
import { number, table } from './report.ts'
import { type Benchmark, compareAndSay, type Settings } from './settings.ts'
import { algorithm, type Signed, signedBlobs } from './signed.ts'
import { inTurn, type Measurement, pathOf, type Served, type Stock, serve, stocked } from './stock.ts'
import { expectVerification, newToken, signers } from './uploads.ts'
import type { LookasideOptions } from './web-servers.ts'
import { readWithWrk, wrkClients } from './wrk.ts'

const hotDigests = 1000

/** What wrk can hold. Their signatures are more than the server remembers. */
const mostDigestsRead = 200_000

/** A server that has not taken its uploads by then never will. */
const patienceSeconds = 600

export const scale: Benchmark = {
  without: { wrk: 'reads' },
  async run(settings) {
    const { scratch, rounds, quick, say, workers } = settings
    const signed = signedBlobs(scratch)
    const options = { workers, policy: signed.policy, tree: false }
    const stocks = [
      await stocked(join(scratch, 'few'), quick ? 100 : 5000),
      await stocked(settings.dataFolder, settings.digests ?? (quick ? 400 : 500_000)),
    ] as const
    const starts = await startTimes(stocks, options, rounds.count)
    const both = [await serve(stocks[0], options), await serve(stocks[1], options)] as const
    const [few, many] = both
    try {
      await compareReads(settings, both)
      const memory = {
        what: 'memory of a process then, MiB',
        few: residentMebibytes(few.server.pid),
        many: residentMebibytes(many.server.pid),
      }
      const queries = await queryTimes(few, many, quick ? 3 : 50)
      const uploads = await uploadTimes(both, signed, rounds.count, quick ? 100 : 2000)
      say(
        `Scale: all else, with ${few.name} signatures and with ${many.name}; ` +
          `uploads by ${signers} signers, verified (${algorithm}) and durable\n` +
          measurementTable(few.name, many.name, [starts, memory, ...queries, uploads]),
      )
    } finally {
      await Promise.all(both.map(({ server }) => server.stop()))
    }
  },
}

/** From the start of the program until a client that connects has read an image. */
async function startTimes(
  stocks: readonly [Stock, Stock],
  options: LookasideOptions,
  count: number,
): Promise<Measurement> {
  const startTime = async (stock: Stock) => {
    const start = performance.now()
    const { server, ca } = await serve(stock, options)
    try {
      const connection = await open(server.port, trusting(readFileSync(ca, 'utf8')))
      await readImage(connection, pathOf(stock.digests >> 1))
      const time = performance.now() - start
      await connection.close()
      return time
    } finally {
      await server.stop()
    }
  }
  // The first time, a certificate is made.
  for (const stock of stocks) await startTime(stock)
  return inTurn('start until an image is read, ms', stocks, count, startTime)
}

async function compareReads(settings: Settings, both: readonly Served[]): Promise<void> {
  const wrk = installed('wrk')
  if (!wrk) return
  for (const [which, most] of [
    [`all digests, but no more than ${number(mostDigestsRead, 0)}`, mostDigestsRead],
    [`always the same ${number(hotDigests, 0)} digests`, hotDigests],
  ] as const) {
    const subjects = both.map(({ name, digests, server }) => {
      const paths = join(settings.scratch, `paths-${most}-of-${digests}`)
      writeFileSync(paths, `${someOf(digests, most).map(pathOf).join('\n')}\n`)
      return {
        name: `${name} signatures`,
        measure: (seconds: number) => readWithWrk(wrk, server, { paths, seconds, cold: false }),
      }
    })
    const how = `over TLS, kept alive, ${wrkClients} clients, one 404 in three`
    const title = `Scale: reads of ${which}, in ${number(repositories, 0)} repositories, ${how}`
    await compareAndSay(settings, title, 'requests', subjects)
  }
}

/** Numbers below `all`, at most so many, evenly spread. */
function someOf(all: number, most: number): number[] {
  const count = Math.min(all, most)
  return Array.from({ length: count }, (_, index) => Math.floor((index * all) / count))
}

async function uploadTimes(
  both: readonly [Served, Served],
  signed: Signed,
  rounds: number,
  size: number,
): Promise<Measurement> {
  const tokens = new Map<Served, string>()
  for (const served of both) {
    const token = newToken(served.dataFolder)
    await expectVerification(served.server.port, served.ca, token)
    tokens.set(served, token)
  }
  // Each batch goes to both.
  const batches = signed.batches(rounds, size)
  return inTurn(`${size} uploads, ms`, both, rounds, async (served, round) => {
    const { rate } = await measureLoad(served.server.pid, {
      kind: 'upload',
      port: served.server.port,
      ca: served.ca,
      seconds: patienceSeconds,
      clients: signers,
      token: tokens.get(served) ?? '',
      blobs: batches[round] ?? '',
    })
    return (size / rate) * 1000
  })
}

/** Ratios of medians; of fewer than a hundred measurements, the 99th percentile is the most. */
function measurementTable(few: string, many: string, measurements: Measurement[]): string {
  const heading = ['', '×', few, '99 %', many, '99 %', 'times']
  const rows = measurements.map((measurement) => {
    const [fewMedian, manyMedian] = [median(measurement.few), median(measurement.many)]
    return [
      measurement.what,
      number(fewMedian && manyMedian && manyMedian / fewMedian, 2),
      ...[number(fewMedian, 1), high(measurement.few)],
      ...[number(manyMedian, 1), high(measurement.many)],
      number(measurement.few.length, 0),
    ]
  })
  return table([heading, ...rows])
}

const high = (values: number[]) => number(values.length ? (percentilesOf(values)[1] ?? null) : null, 1)
