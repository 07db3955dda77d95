import { setImmediate as nextTurn } from 'node:timers/promises'
import { candidates } from '../openpgp/candidates.ts'
import { bestOf, stateAt } from '../openpgp/key-state.ts'
import type { Keyring, VerificationKey } from '../openpgp/keyring.ts'
import { readMessage } from '../openpgp/message.ts'
import { checkSignature } from '../openpgp/verify.ts'
import type { Lease, Storage } from '../storage/storage.ts'
import type { KeyringKey } from '../storage/verdicts.ts'

type VerdictStorage = Pick<
  Storage,
  | 'setKeyring'
  | 'keyring'
  | 'untried'
  | 'addChecks'
  | 'setTried'
  | 'turnStandings'
  | 'revived'
  | 'settleRevived'
  | 'head'
  | 'lease'
>

/** Signatures that are tried in one go: an upload waits for no more than these. */
const triedAtOnce = 32

/** Rows whose standing is moved on in one transaction. */
const turnedAtOnce = 1000

/** The mark of how far signatures were tried is written again after so many changes: it only saves looking twice. */
const changesBetweenMarks = 1000

/** One process at a time keeps the verdicts of a data folder: the one that holds this. */
export const verdictLease = 'verdicts'

export interface VerdictKeeper {
  /** These keys vouch for signatures from the next `step` on. */
  use(keyring: Keyring): void
  /**
   * Tries what came without being tried, and follows the clock, until nothing is left to do, `stopped` says so, or
   * another keyring is used. What has failed is done by the next step. While another process keeps the verdicts of this
   * data folder, by its keys, nothing is done.
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
  let stored: Keyring | null = null
  let lease: Lease | null = null
  /** With every key that is stored, signatures up to this one were tried. */
  let triedThrough = 0

  const tryKey = async (key: VerificationKey, tried: number, isOver: () => boolean): Promise<number> => {
    const { fingerprint } = key
    let found = 0
    for (let after = tried; !isOver(); ) {
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

  /** Signatures that came since, with the keys that were there, and all with those that were not. */
  const tryAll = async ({ byFingerprint }: Keyring, isOver: () => boolean): Promise<void> => {
    const { seq } = await storage.head()
    if (seq === triedThrough) return
    const keys = await storage.keyring()
    let found = 0
    for (const { fingerprint, tried } of keys) {
      const key = byFingerprint.get(fingerprint)
      if (key) found += await tryKey(key, Math.max(tried, triedThrough), isOver)
    }
    if (isOver()) return
    triedThrough = seq
    if (found || keys.some(({ tried }) => seq - tried >= changesBetweenMarks)) await storage.setTried(seq)
  }

  /** Those that were superseded, and are served again: what was known of them is forgotten. */
  const tryRevived = async (used: Keyring, isOver: () => boolean): Promise<void> => {
    for (;;) {
      const signatures = await storage.revived(triedAtOnce)
      if (!signatures.length || isOver()) return
      const checks = signatures.flatMap(({ id, blob }) => {
        const message = readMessage(blob)
        return candidates(used, message.signature).map((key) => {
          return { signature: id, fingerprint: key.fingerprint, result: checkSignature(message, key) }
        })
      })
      await storage.addChecks(checks)
      await storage.settleRevived(signatures.map(({ id }) => id))
      await nextTurn()
    }
  }

  return {
    use(used) {
      keyring = used
    },

    async step(stopped) {
      lease ??= await storage.lease(verdictLease)
      if (!lease || !keyring) return
      const used = keyring
      const isOver = () => stopped() || keyring !== used
      if (stored !== used) {
        await storage.setKeyring(keysOf(used))
        stored = used
        triedThrough = 0
      }
      for (let done = false; !done && !isOver(); ) done = await storage.turnStandings(turnedAtOnce)
      await tryRevived(used, isOver)
      await tryAll(used, isOver)
    },

    close: () => lease?.release(),
  }
}

/**
 * One row a fingerprint, as storage has it. Anybody can bind a key of somebody else to his own as a subkey: what it is
 * under the certificate where it is worth most counts, as it does where a signature is verified.
 */
function keysOf({ certificates }: Keyring): KeyringKey[] {
  const keys = new Map<string, KeyringKey>()
  for (const { fingerprint: primaryFingerprint, userIds, keys: members } of certificates)
    for (const { fingerprint, keyId, timeline } of members) {
      const other = keys.get(fingerprint)
      const key = { fingerprint, keyId, primaryFingerprint, userId: userIds[0] ?? null, timeline }
      keys.set(fingerprint, other ? better(other, key) : key)
    }
  return [...keys.values()]
}

function better(one: KeyringKey, other: KeyringKey): KeyringKey {
  const timeline = bestOf(one.timeline, other.timeline)
  const now = Date.now() / 1000
  const shown = stateAt(one.timeline, now) === stateAt(timeline, now) ? one : other
  return { ...shown, timeline }
}
