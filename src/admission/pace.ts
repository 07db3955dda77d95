/** Of how many uploads, at least, the mean is taken. */
const meanOver = 64

/** Nobody is sent away for longer, in seconds: what is measured may be a pause of the machine. */
const longestSeconds = 60

/** How fast uploads are answered. */
export interface Pace {
  /** There was nothing to do, and now there is. */
  begin(): void
  answered(uploads: number): void
  /** In how many seconds so many will have been answered, at least one. */
  secondsFor(uploads: number): number
}

/** `now`: milliseconds of a clock that only goes on. */
export function measurePace(now: () => number = () => performance.now()): Pace {
  let since = now()
  let milliseconds: number | null = null
  return {
    begin() {
      since = now()
    },
    answered(uploads) {
      const time = now()
      const each = (time - since) / uploads
      const share = milliseconds === null ? 1 : Math.min(1, uploads / meanOver)
      milliseconds = (milliseconds ?? 0) * (1 - share) + each * share
      since = time
    },
    secondsFor(uploads) {
      const seconds = Math.ceil((uploads * (milliseconds ?? 0)) / 1000)
      return Math.min(Math.max(seconds, 1), longestSeconds)
    },
  }
}
