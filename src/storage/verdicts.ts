import type { Stretch } from '../openpgp/key-state.ts'
import type { CheckResult } from '../openpgp/verify.ts'

/** What keys say of signatures. The verdict of a signature is worked out when it is read, as of then. */
export interface Verdicts {
  /** The keys that vouch for signatures from now on. Those that were given before and are not now no longer do. */
  setKeyring(keys: readonly KeyringKey[]): Promise<void>
  /** The keys that vouch, each with the number of the signature up to which all that name it were tried with it. */
  keyring(): Promise<(KeyringKey & { tried: number })[]>
  /** Signatures after `after` that name a key of the keyring and were not tried with it, by their numbers. */
  untried(fingerprint: string, after: number, limit: number): Promise<{ id: number; blob: Uint8Array }[]>
  /** Of keys that are, or were, in the keyring. What is there already stays. */
  addChecks(checks: readonly (StoredCheck & { signature: number })[]): Promise<void>
  /** Signatures that are served again after they were superseded, and have not been tried since. */
  revived(limit: number): Promise<{ id: number; blob: Uint8Array }[]>
  settleRevived(signatures: readonly number[]): Promise<void>
  /** Every signature up to that one was tried with every key of the keyring that it names. */
  setTried(signature: number): Promise<void>
  /** Keeps listings by verdict in step with the clock, some rows at a time; says whether that was all. */
  turnStandings(limit: number): Promise<boolean>
}

/** A key or subkey that can have made signatures; fingerprints and key ids are upper-case hex. */
export interface KeyringKey {
  fingerprint: string
  keyId: string
  primaryFingerprint: string
  userId: string | null
  /** What time makes of it; see `stateAt`. */
  timeline: readonly Stretch[]
}

/** What came of trying a key on a signature: it never changes. */
export interface StoredCheck {
  fingerprint: string
  result: CheckResult
}
