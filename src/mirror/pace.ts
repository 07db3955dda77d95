/** What came of a page: a signature was taken or went, was refused, or nothing changed. */
export interface Tally {
  done: number
  changed: number
  refused: number
}

export interface Pace {
  /** How long to leave the source alone after a page that took so long, in milliseconds. */
  after(tally: Tally, milliseconds: number): number
}

/** A page that brings nothing, and has fewer than these, is worth no haste. */
const smallPage = 100

const smallPageMilliseconds = 1000
const refusedMilliseconds = 100
const maxFactor = 16
const maxMilliseconds = 60_000

/**
 * A source that sends what is refused, or what changes nothing, and never ends, gets a small share of the time; one that
 * brings signatures is never waited for.
 */
export function newPace(): Pace {
  let factor = 1
  return {
    after({ done, changed, refused }, milliseconds) {
      if (!done) return 0
      if (refused * 2 > done) {
        factor = Math.min(factor * 2, maxFactor)
        return Math.min(maxMilliseconds, Math.max(milliseconds, refusedMilliseconds) * factor)
      }
      factor = 1
      if (changed) return 0
      return done < smallPage ? smallPageMilliseconds : Math.min(milliseconds, maxMilliseconds)
    },
  }
}
