import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import type { SourceKey, Sources } from '../storage/sources.ts'
import type { Reason } from '../storage/withdrawing.ts'

/**
 * What one source has put here, be it a mirror or the bundles of a log. It is told of signatures as the source names them:
 * where they live here is its business.
 */
export interface Contribution {
  /** Where a repository of the source is here. @throws Refusal bad-reference where its name is too long there */
  here(repository: Repository): Repository
  /**
   * The source has these, in this round. `others` are not here as its contribution, or were withdrawn here. What can be
   * nowhere here, its name being too long, is in neither: `onNowhere` hears of it.
   */
  confirm<Key extends SourceKey>(
    keys: readonly Key[],
    round: number,
    onNowhere?: (key: Key, why: Refusal) => void,
  ): Promise<{ ours: Key[]; others: Key[] }>
  /** The source has these no more. Returns how many are no longer served. */
  retract(keys: readonly SourceKey[]): Promise<number>
  /** The same of all that was not seen in this round. */
  retractMissing(round: number): Promise<number>
  /** How many were not seen in this round; at most `maxCounted`. */
  missing(round: number): Promise<number>
  /** How many there are; of very many, enough to judge by. */
  size(): Promise<number>
  /**
   * What it would be to lose so many. A source that was emptied, by whoever, or shows less than it has, must not empty
   * this place: where more would go than stays, a person has to say so.
   * @param before how many there were when the source had shown nothing yet: what it brings with a loss is no sign that
   * the loss is right
   */
  weigh(missing: number, before: number): Promise<Loss>
}

export interface Loss {
  /** At least. */
  left: number
  /** It may go without being asked about. */
  isLikely: boolean
}

export interface ContributionOptions {
  storage: Pick<Sources, 'confirm' | 'retract' | 'unconfirmed' | 'contributed'>
  /** Its name among the sources of the data folder. */
  source: string
  /** Everything is below it here; empty: where it is at the source. */
  prefix: Repository | ''
  /** Of what goes. */
  why: Reason
  /** Hears, after each commit, how many it took away. */
  onRemoved?(count: number): void
}

/** Of fewer than these any share may go at once, but not all. */
const fewSignatures = 10

/** What goes is counted up to here; more at once never goes without being asked about. */
export const maxCounted = 100_000

/** What goes in one commit: uploads have their turn after it. */
const retractedAtOnce = 256

export function newContribution(options: ContributionOptions): Contribution {
  const { storage, source, prefix, why, onRemoved = () => {} } = options

  const here = (repository: Repository): Repository =>
    prefix === '' ? repository : parseRepository(`${prefix}/${repository}`)

  const keysHere = <Key extends SourceKey>(
    keys: readonly Key[],
    onNowhere = (_key: Key, _why: Refusal) => {},
  ): { key: Key; place: SourceKey }[] =>
    keys.flatMap((key) => {
      const { repository, digest, identity } = key
      try {
        return [{ key, place: { repository: here(repository), digest, identity } }]
      } catch (error) {
        onNowhere(key, error as Refusal)
        return []
      }
    })

  const retract = async (places: readonly SourceKey[]): Promise<number> => {
    let all = 0
    for (let at = 0; at < places.length; at += retractedAtOnce) {
      const removed = await storage.retract(source, places.slice(at, at + retractedAtOnce), why)
      if (removed > 0) onRemoved(removed)
      all += removed
    }
    return all
  }

  return {
    here,

    async confirm(keys, round, onNowhere) {
      const pairs = keysHere(keys, onNowhere)
      const places = pairs.map(({ place }) => place)
      const missing = new Set((await storage.confirm(source, places, round)).map(nameOf))
      const { ours = [], others = [] } = Object.groupBy(pairs, ({ place }) =>
        missing.has(nameOf(place)) ? 'others' : 'ours',
      )
      return { ours: ours.map(({ key }) => key), others: others.map(({ key }) => key) }
    },

    retract: (keys) => retract(keysHere(keys).map(({ place }) => place)),

    async retractMissing(round) {
      let removed = 0
      for (let before: string | null = null; ; ) {
        const places = await storage.unconfirmed(source, round, retractedAtOnce)
        const [first] = places
        if (!first) return removed
        if (nameOf(first) === before) throw new Error(`${before} cannot be taken away`)
        before = nameOf(first)
        removed += await retract(places)
      }
    },

    missing: async (round) => (await storage.unconfirmed(source, round, maxCounted)).length,
    size: () => storage.contributed(source, 2 * maxCounted),

    async weigh(missing, before) {
      const all = before >= fewSignatures ? before : await storage.contributed(source, 2 * missing)
      const left = Math.max(0, all - missing)
      const isLikely =
        missing === 0 || (missing < maxCounted && left > 0 && (left >= missing || all < fewSignatures))
      return { left, isLikely }
    },
  }
}

/** One text for each key. */
export function nameOf({ repository, digest, identity }: SourceKey): string {
  return `${repository}@${digest} ${identity}`
}

/** Whether it is one signature that was refused. Anything else, such as a full disk, would keep out the next one as well. */
export function isOfOneSignature(error: unknown): error is Refusal {
  return error instanceof Refusal && !ofAll.has(error.code)
}

const ofAll = new Set<RefusalCode>(['busy', 'disk-full', 'data-folder'])
