import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { digestOf, fillBigDatabase, repositoryOf } from './big-database.ts'
import { signaturesPerDigest } from './data-folder.ts'
import { certificateOf } from './reads.ts'
import { number, progress } from './report.ts'
import { type LookasideOptions, startLookaside, type WebServer } from './web-servers.ts'

/** A data folder as `fillBigDatabase` fills it. */
export interface Stock {
  /** How many signatures are in it. */
  name: string
  dataFolder: string
  digests: number
}

/** Filled where it is empty. */
export async function stocked(dataFolder: string, digests: number): Promise<Stock> {
  const storage = openSqlite({ dataFolder })
  const { seq } = await storage.head()
  await storage.close()
  const signatures = digests * signaturesPerDigest
  if (seq === 0) await fillBigDatabase(dataFolder, digests, (done) => progress('filling', done, digests))
  else if (seq < signatures) throw new Error(`${dataFolder} has ${seq} signatures: use another folder`)
  return { name: number(signatures, 0), dataFolder, digests }
}

/** The directory of the digest of that number in the tree. */
export const pathOf = (index: number): string =>
  formatLocation({ kind: 'repository', name: repositoryOf(index), digest: digestOf(index) })

export type Served = Stock & { server: WebServer; ca: string }

export async function serve(stock: Stock, options: LookasideOptions): Promise<Served> {
  const server = await startLookaside(stock.dataFolder, options)
  return { ...stock, server, ca: certificateOf(stock.dataFolder).ca }
}

/** What was measured in turn with few signatures and with many. */
export interface Measurement {
  what: string
  few: number[]
  many: number[]
}

/** Measures both so many times, each being the first every other time. `round` counts from 0. */
export async function inTurn<S extends Stock>(
  what: string,
  [few, many]: readonly [S, S],
  count: number,
  measure: (stock: S, round: number) => Promise<number>,
): Promise<Measurement> {
  const measurement: Measurement = { what, few: [], many: [] }
  for (let round = 0; round < count; round++) {
    const both = [
      async () => measurement.few.push(await measure(few, round)),
      async () => measurement.many.push(await measure(many, round)),
    ]
    for (const one of round % 2 ? both.reverse() : both) await one()
    progress(what, round + 1, count)
  }
  return measurement
}
