import type { Taken } from './source.ts'

/** What came of a page. What was here already counts for nothing. */
export interface Tally {
  done: number
  /** Signatures that were never here before. */
  added: number
  /** Those that were here before, had been taken away, and are here again. */
  returned: number
  /** Those that went. */
  removed: number
  refused: number
}

export function newTally({ done = 0, refused = 0 }: Partial<Tally>): Tally {
  return { done, added: 0, returned: 0, removed: 0, refused }
}

export function countIn(tally: Tally, { outcome, returned }: Taken): void {
  if (returned) tally.returned++
  else if (outcome !== 'present') tally[outcome]++
}

export interface Pace {
  /** How long to leave the source alone after a page that took so long, in milliseconds. */
  after(tally: Tally, milliseconds: number): number
}

/** A page that brings nothing, and has fewer than these, is worth no haste. */
const smallPage = 100

const smallPageMilliseconds = 1000
const atLeastMilliseconds = 100
const maxMilliseconds = 60_000

/** What is refused costs time and leaves nothing behind: a source of which most is refused is still followed closely. */
const maxRefusedFactor = 16

/**
 * A source that brings signatures, or takes some away, is not waited for. One that sends what is refused, or what changes
 * nothing, and never ends, gets a small share of the time.
 *
 * What comes back is no progress: the same signatures could come and go for ever, and the log grow each time. A new
 * signature pays for one that came back. After a page of which more came back than is new, the pause is twice as long as
 * the last time, up to a minute, whatever the page took; only when all are paid for, it begins anew. Pages of mere
 * removals count for nothing here. So a source that reinstates a thousand at once loses a second, and some minutes with
 * ten thousand, and what it adds or withdraws afterwards is here at once.
 */
export function newPace(): Pace {
  let refusedFactor = 1
  let returnedFactor = 1
  let owed = 0

  const pauseOf = (milliseconds: number, factor: number) =>
    Math.min(maxMilliseconds, Math.max(milliseconds, atLeastMilliseconds) * factor)

  return {
    after({ done, added, returned, removed, refused }, milliseconds) {
      if (!done) return 0
      owed = Math.max(0, owed + returned - added)
      if (!owed) returnedFactor = 1
      const isRefused = refused * 2 > done
      refusedFactor = isRefused ? Math.min(refusedFactor * 2, maxRefusedFactor) : 1
      if (returned > added) {
        const rest = pauseOf(milliseconds, returnedFactor)
        returnedFactor = Math.min(returnedFactor * 2, maxMilliseconds / atLeastMilliseconds)
        return rest
      }
      if (isRefused) return pauseOf(milliseconds, refusedFactor)
      if (added || removed) return 0
      return done < smallPage ? smallPageMilliseconds : Math.min(milliseconds, maxMilliseconds)
    },
  }
}
