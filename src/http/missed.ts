/** What readers ask for that has no signature, by the path of its location. Times in Unix milliseconds. */
export interface Missed {
  path: string
  /** An estimate: how often since then. */
  requests: number
  since: number
  last: number
}

/** A few hundred, and ten times as many that are on their way to be: with paths of 300 characters about 2 MB. */
const maxKept = 512
const maxNewcomers = 4096

/** So many a second are looked at each; of those beyond, one in so many, which stands for the others. */
const exactPerSecond = 256
const sampledOneIn = 64

/** What is no longer asked for makes room: what counts is halved each day. */
const halfLifeMilliseconds = 86_400_000

interface Entry extends Missed {
  /** How often it was looked at, fading: by this it keeps its place. */
  weight: number
}

/**
 * Finds what is asked for most, in bounded memory. Whoever asks for names at random moves nothing: a name that comes up
 * first waits among the newcomers, which drop out in turn, and gets the place of another only when it was looked at more
 * often than that one.
 */
export function missedTop(clock: () => number) {
  const kept = new Map<string, Entry>()
  const newcomers = new Map<string, Entry>()
  let second = 0
  let inSecond = 0
  let skip = 0
  let fadedAt = clock()

  const fade = (now: number) => {
    const factor = 0.5 ** Math.max(0, (now - fadedAt) / halfLifeMilliseconds)
    fadedAt = now
    for (const entry of kept.values()) {
      entry.weight *= factor
      if (entry.weight < 0.1) kept.delete(entry.path)
    }
  }

  const lightest = (): Entry | undefined => {
    let found: Entry | undefined
    for (const entry of kept.values()) if (!found || entry.weight < found.weight) found = entry
    return found
  }

  const look = (path: string, requests: number, now: number) => {
    const known = kept.get(path) ?? newcomers.get(path)
    const entry = known ?? { path, requests: 0, since: now, last: now, weight: 0 }
    entry.requests += requests
    entry.weight++
    entry.last = now
    if (kept.has(path)) return
    if (kept.size < maxKept) {
      newcomers.delete(path)
      kept.set(path, entry)
      return
    }
    if (!known) {
      const [oldest] = newcomers.keys()
      if (newcomers.size >= maxNewcomers && oldest !== undefined) newcomers.delete(oldest)
      newcomers.set(path, entry)
      return
    }
    const last = lightest()
    if (!last || entry.weight <= last.weight) return
    kept.delete(last.path)
    newcomers.delete(path)
    kept.set(path, entry)
  }

  return {
    /** On the hot path: beyond what is looked at in a second it counts down, and no more. */
    miss(path: string): void {
      if (--skip > 0) return
      const now = clock()
      if (now - second >= 1000 || now < second) {
        if (now - fadedAt >= halfLifeMilliseconds / 24) fade(now)
        second = now
        inSecond = 0
      }
      const requests = inSecond++ < exactPerSecond ? 1 : sampledOneIn
      // Not every 64th: whoever asks for things in turn would have one of them counted for all.
      skip = inSecond < exactPerSecond ? 1 : 1 + Math.floor(Math.random() * (2 * sampledOneIn - 1))
      look(path, requests, now)
    },

    /** The most wanted first. */
    top(): Missed[] {
      fade(clock())
      return [...kept.values()]
        .sort((one, other) => other.weight - one.weight)
        .map(({ path, requests, since, last }) => ({ path, requests: Math.round(requests), since, last }))
    },
  }
}

export type MissedTop = ReturnType<typeof missedTop>
