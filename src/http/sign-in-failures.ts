import { networkOf } from '../net/network-of.ts'

/** So many failures of an address in a minute are told what is wrong, and logged. */
const maxFailures = 30
const windowMilliseconds = 60_000

/** Addresses that are remembered; the one that has failed first gives way. */
const maxAddresses = 10_000

/**
 * Counts who fails to sign in, so that guessing neither fills the log nor learns why a guess was wrong. Good credentials are never
 * refused for it: behind one address are many, and a token cannot be guessed at any rate.
 * @returns of one more failure, in how many seconds it is worth trying again; null: it is none too many
 */
export function signInFailures(clock: () => number): (address: string) => number | null {
  const failures = new Map<string, { count: number; until: number }>()

  return (address) => {
    const key = networkOf(address)
    const now = clock()
    let found = failures.get(key)
    if (!found || found.until <= now) {
      failures.delete(key)
      const [oldest] = failures.keys()
      if (failures.size >= maxAddresses && oldest !== undefined) failures.delete(oldest)
      found = { count: 0, until: now + windowMilliseconds }
      failures.set(key, found)
    }
    found.count += 1
    return found.count > maxFailures ? Math.ceil((found.until - now) / 1000) : null
  }
}
