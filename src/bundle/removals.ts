import { Refusal } from '../refusal.ts'
import type { SourceKey, Sources } from '../storage/sources.ts'
import type { Reason } from '../storage/withdrawing.ts'

/** What a source has contributed, in the round of an import, and how it goes. */
export interface Contribution {
  storage: Pick<Sources, 'confirm' | 'retract' | 'unconfirmed' | 'contributed'>
  source: { name: string; round: number }
  why: Reason
}

/** What the source is to lose here; the verbs that take return how many are no longer served. */
export interface Removals {
  /** These go in the end; at once where that takes nothing away, or is accepted. */
  gather(keys: readonly SourceKey[]): Promise<number>
  /** @throws Refusal bundle-removes-most, before anything has gone */
  takeGathered(): Promise<number>
  /** What was not seen in this round. @throws Refusal bundle-removes-most, before anything has gone */
  takeMissing(): Promise<number>
  /** How many the source contributes, for the next import. */
  size(): Promise<number>
}

/** Fewer than these may go at once, whatever share of all they are. */
const fewSignatures = 10

/** What goes is counted up to here; more at once is held back in any case. */
const maxCounted = 100_000

const retractedAtOnce = 500

/**
 * A log that was emptied, by whoever, or a bundle that says so of it, must not empty this place: where more would go than
 * stays, a person has to say so.
 * @param size how many there were when the import before ended: what this one brings is no sign that the others are right
 */
export function newRemovals(
  contribution: Contribution,
  { size, isAccepted }: { size: number; isAccepted: boolean },
): Removals {
  const { storage, source } = contribution
  const gathered = new Map<string, SourceKey>()

  async function requireLikely(missing: number): Promise<void> {
    if (isAccepted || !missing) return
    const all = size >= fewSignatures ? size : await storage.contributed(source.name, 2 * missing)
    const left = Math.max(all - missing, 0)
    if (missing < maxCounted && left > 0 && (left >= missing || all < fewSignatures)) return
    throw new Refusal(
      'bundle-removes-most',
      `The bundle would take away ${missing < maxCounted ? '' : 'at least '}${missing} of the ${Math.max(all, missing)} ` +
        'signatures that came from its source, and nothing was taken away. If it is right, --accept-removals takes it',
    )
  }

  return {
    async gather(keys) {
      if (isAccepted) return retract(contribution, keys)
      const { ours, others } = await divide(contribution, keys)
      for (const key of ours) gathered.set(nameOf(key), key)
      if (gathered.size >= maxCounted) await requireLikely(gathered.size)
      // Nothing that is served goes with these.
      return retract(contribution, others)
    },
    async takeGathered() {
      await requireLikely(gathered.size)
      return retract(contribution, [...gathered.values()])
    },
    async takeMissing() {
      // Whoever has said that all may go need not wait for the count.
      const missing = isAccepted ? [] : await storage.unconfirmed(source.name, source.round, maxCounted)
      await requireLikely(missing.length)
      return retractMissing(contribution)
    },
    // More than that makes no difference.
    size: () => storage.contributed(source.name, 2 * maxCounted),
  }
}

/** Those that the source contributes here, not withdrawn ones, and all others. */
async function divide(
  { storage, source }: Contribution,
  keys: readonly SourceKey[],
): Promise<{ ours: SourceKey[]; others: SourceKey[] }> {
  const others = await storage.confirm(source.name, keys, source.round)
  const names = new Set(others.map(nameOf))
  return { ours: keys.filter((key) => !names.has(nameOf(key))), others }
}

async function retractMissing(contribution: Contribution): Promise<number> {
  const { storage, source } = contribution
  let removed = 0
  for (let before: string | null = null; ; ) {
    const keys = await storage.unconfirmed(source.name, source.round, retractedAtOnce)
    const [first] = keys
    if (!first) return removed
    if (nameOf(first) === before) throw new Error(`${before} cannot be taken away`)
    before = nameOf(first)
    removed += await retract(contribution, keys)
  }
}

async function retract({ storage, source, why }: Contribution, keys: readonly SourceKey[]): Promise<number> {
  let removed = 0
  for (let at = 0; at < keys.length; at += retractedAtOnce)
    removed += await storage.retract(source.name, keys.slice(at, at + retractedAtOnce), why)
  return removed
}

export function nameOf({ repository, digest, identity }: SourceKey): string {
  return `${repository}@${digest} ${identity}`
}
