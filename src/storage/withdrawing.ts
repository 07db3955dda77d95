import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { By, Origin } from './audit.ts'
import type { AddedSignature, Change } from './storage.ts'

/**
 * Taking signatures back. A reader who walks up the slots meanwhile, or has older answers in a cache, misses nothing that
 * stays: the last slot is copied over the hole, and goes itself after a grace time. What becomes of a slot may wait for
 * the next second, as in `append`.
 */
export interface Withdrawing {
  /**
   * Withdraws signatures by their numbers, served or not, at most some hundreds, with all copies of theirs at that
   * repository. They are refused there from now on. Those that are withdrawn already, or unknown, are left out.
   * @returns the changes, one a signature and one for each copy
   */
  withdraw(signatures: readonly number[], why: Reason): Promise<Change[]>
  /** Lets a withdrawn signature back in: `append` does it, with its bytes. Null where it is not withdrawn. */
  withdrawn(signature: number): Promise<(AddedSignature & { change: Change }) | null>
  /** From now on nothing is taken that names this key, or one of its certificate as far as a keyring shows it. */
  banKey(key: BannedKey, origin?: Origin): Promise<void>
  /** False where it was not banned. */
  unbanKey(fingerprint: string, by?: By): Promise<boolean>
  /** Ends the grace of slots that have had it, some locations at a time; says whether that was all. */
  endGrace(limit: number, graceSeconds: number): Promise<boolean>
}

/** Who does it and why, as the log shows it, and how long a slot that has moved stays where it was. */
export interface Reason {
  actor: string
  reason: string | null
  graceSeconds: number
  /** For the audit trail. */
  origin?: Origin | undefined
}

export interface BannedKey {
  /** Upper-case hex. */
  fingerprint: string
  time: number
  actor: string
  reason: string
}

export interface StandingQuery {
  /** As in `Query`: of either, or of a digest at a repository. */
  key?: string
  repository?: Repository
  digest?: Digest
  after: number
  limit: number
}

export interface Standing {
  id: number
  repository: Repository
  digest: Digest
  identity: string
}
