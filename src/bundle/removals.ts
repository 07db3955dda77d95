import { type Contribution, maxCounted, nameOf } from '../admission/contribution.ts'
import { Refusal } from '../refusal.ts'
import type { SourceKey } from '../storage/sources.ts'

/** What a log is to lose here, by a bundle of it; the verbs that take return how many are no longer served. */
export interface Removals {
  /** These go in the end; at once where that takes nothing away, or is accepted. */
  gather(keys: readonly SourceKey[]): Promise<number>
  /** @throws Refusal bundle-removes-most, before anything has gone */
  takeGathered(): Promise<number>
  /** What was not seen in this round. @throws Refusal bundle-removes-most, before anything has gone */
  takeMissing(): Promise<number>
}

/**
 * A log that was emptied, by whoever, or a bundle that says so of it, takes nothing away without being asked about.
 * @param round of the import
 * @param before how many there were when the import before ended
 */
export function newRemovals(
  contribution: Contribution,
  { round, before, isAccepted }: { round: number; before: number; isAccepted: boolean },
): Removals {
  const gathered = new Map<string, SourceKey>()

  async function requireLikely(missing: number): Promise<void> {
    const { left, isLikely } = await contribution.weigh(missing, before)
    if (isLikely) return
    throw new Refusal(
      'bundle-removes-most',
      `The bundle would take away ${missing < maxCounted ? '' : 'at least '}${missing} of the ${missing + left} ` +
        'signatures that came from its source, and nothing was taken away. If it is right, --accept-removals takes it',
    )
  }

  return {
    async gather(keys) {
      if (isAccepted) return contribution.retract(keys)
      const { ours, others } = await contribution.confirm(keys, round)
      for (const key of ours) gathered.set(nameOf(key), key)
      if (gathered.size >= maxCounted) await requireLikely(gathered.size)
      // Nothing that is served goes with these.
      return contribution.retract(others)
    },
    async takeGathered() {
      await requireLikely(gathered.size)
      return contribution.retract([...gathered.values()])
    },
    async takeMissing() {
      // Whoever has said that all may go need not wait for the count.
      if (!isAccepted) await requireLikely(await contribution.missing(round))
      return contribution.retractMissing(round)
    },
  }
}
