import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Keyring, VerificationKey } from '../openpgp/keyring.ts'
import { readMessage } from '../openpgp/message.ts'
import { checkSignature } from '../openpgp/verify.ts'
import type { KeyringKey, Lease, Storage } from '../storage/storage.ts'

type VerdictStorage = Pick<
  Storage,
  'setKeyring' | 'keyring' | 'untried' | 'addChecks' | 'setTried' | 'turnStandings' | 'head' | 'lease'
>

/** Signatures that are tried in one go: an upload waits for no more than these. */
const triedAtOnce = 32

/** Rows whose standing is moved on in one transaction. */
const turnedAtOnce = 1000

/** The mark of how far signatures were tried is written again after so many changes: it only saves looking twice. */
const changesBetweenMarks = 1000

/** One process at a time works at the verdicts of a data folder. */
const verdictLease = 'verdicts'

export interface VerdictKeeper {
  /** These keys vouch for signatures from the next `step` on. */
  use(keyring: Keyring): void
  /** The part of `step` that has to be done before anything is admitted. */
  start(): Promise<void>
  /**
   * Tries what came without being tried, and follows the clock, until nothing is left to do or `stopped` says so. What
   * has failed is done by the next step.
   */
  step(stopped: () => boolean): Promise<void>
  close(): void
}

/**
 * Keeps the stored verdicts in step with keyring and clock. That a key changes its state costs nothing here: the state
 * is joined when a verdict is asked for. Only a key that was not there before has its signatures tried, once.
 */
export function verdictKeeper(storage: VerdictStorage): VerdictKeeper {
  let keyring: Keyring | null = null
  let isStored = false
  let lease: Lease | null = null
  let triedThrough = 0

  const tryKey = async (key: VerificationKey, tried: number, stopped: () => boolean): Promise<number> => {
    const { fingerprint } = key
    let found = 0
    for (let after = tried; !stopped(); ) {
      const signatures = await storage.untried(fingerprint, after, triedAtOnce)
      const last = signatures.at(-1)
      if (!last) break
      await storage.addChecks(
        signatures.map(({ id, blob }) => {
          return { signature: id, fingerprint, result: checkSignature(readMessage(blob), key) }
        }),
      )
      found += signatures.length
      after = last.id
      await nextTurn()
    }
    return found
  }

  const store = async () => {
    if (isStored || !keyring) return
    const storing = keyring
    await storage.setKeyring(keysOf(storing))
    isStored = storing === keyring
  }

  return {
    use(used) {
      keyring = used
      isStored = false
      triedThrough = 0
    },

    start: store,

    async step(stopped) {
      await store()
      lease ??= await storage.lease(verdictLease)
      if (!lease) return
      for (let done = false; !done && !stopped(); ) done = await storage.turnStandings(turnedAtOnce)
      const { seq } = await storage.head()
      const keys = await storage.keyring()
      const known = keys.flatMap(({ fingerprint, tried }) => {
        const key = keyring?.byFingerprint.get(fingerprint)
        return key ? [{ key, tried: Math.max(tried, triedThrough) }] : []
      })
      let found = 0
      if (seq !== triedThrough) for (const { key, tried } of known) found += await tryKey(key, tried, stopped)
      if (stopped()) return
      if (known.length < keys.length) {
        // Another process has read a keyring file that this one has not seen yet: it knows these keys.
        lease.release()
        lease = null
        return
      }
      triedThrough = seq
      if (found || keys.some(({ tried }) => seq - tried >= changesBetweenMarks)) await storage.setTried(seq)
    },

    close: () => lease?.release(),
  }
}

function keysOf({ certificates }: Keyring): KeyringKey[] {
  return certificates.flatMap(({ fingerprint: primaryFingerprint, userIds, keys }) =>
    keys.map(({ fingerprint, keyId, timeline }) => {
      return { fingerprint, keyId, primaryFingerprint, userId: userIds[0] ?? null, timeline }
    }),
  )
}
