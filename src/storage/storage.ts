import type { VerdictName } from '../openpgp/verdict.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { Location } from '../reference/tree-path.ts'
import type { SignatureFormat, UnverifiedSigner } from '../signature/signature.ts'
import type { AuditTrail, By, Origin } from './audit.ts'
import type { Catalog } from './catalog.ts'
import type { Feed } from './feed.ts'
import type { Sources } from './sources.ts'
import type { KeyringKey, StoredCheck, Verdicts } from './verdicts.ts'
import type { BannedKey, Standing, StandingQuery, Withdrawing } from './withdrawing.ts'

/**
 * The storage contract. One verb is one transaction; a promise that resolves is durable. Every implementation passes
 * test/storage/contract.ts. Times are Unix milliseconds unless a name says seconds; hashes are lower-case hex.
 */
export interface Storage extends Reading, Verdicts, Withdrawing, Sources, TreeBacklog, Tokens, AuditTrail {
  /**
   * Adds a signature in the next free slot of its repository and of each view, and one row to the log.
   *
   * - One of the same identity there is answered as `present`, and nothing changes; but if a key made the new copy and
   *   not the stored one, which anybody can have spoilt, the new one supersedes it.
   * - Of valid signatures by one key with the same critical part, the latest is enough: it supersedes an earlier one
   *   that does not expire later. One that comes after the one that supersedes it is kept in the log and gets no slot.
   * - One that was removed is there again, with a row `reinstated` and the number it had.
   * What supersedes another takes its slots, with a second row in the log. As the time of a slot has whole seconds and
   * moves on with its content, that may wait for the next second. `signature` is what is served in the end.
   * @throws Refusal too-many-signatures, withdrawn, key-banned, disk-full, busy
   */
  append(signature: NewSignature): Promise<Appended>

  /** Lays out the slots of digest views anew where the configured views are others than before. */
  configureViews(views: readonly DigestView[]): Promise<void>

  /** Gives the log a new epoch: what followers knew of it no longer holds. */
  renewEpoch(by?: By): Promise<string>

  /** Commits what means nothing: where it resolves, the store can be written. @throws Refusal disk-full, busy */
  touch(): Promise<void>

  /** The lease of that name, or null while another holder, in whatever process, has it. It ends with its process. */
  lease(name: string): Promise<Lease | null>

  close(): Promise<void>
}

/** What a process that only answers readers needs. */
export interface Reading extends Feed, Catalog {
  epoch(): Promise<string>
  /** The position of the last change; seq 0 while there is none. */
  head(): Promise<Position>
  /** The position of one change, or null where the log does not reach it. */
  position(seq: number): Promise<Position | null>
  /**
   * False only if nothing was committed by anybody since the call before. Cheap, and not a promise, because it is
   * asked before a remembered answer may be given.
   */
  news(): boolean
  /** Grows with each change to what is served anywhere: the greatest version of a location. */
  version(): Promise<number>
  /** The version of a location: what was laid out as of a lower one is out of date. 0: nothing was ever served there. */
  versionOf(location: Location): Promise<number>
  /**
   * Locations in the order in which they last changed, from the one after `version`, at most `limit`. `version` of the
   * answer is that of the last; `head` is the log as it was then.
   */
  changedSince(
    version: number,
    limit: number,
  ): Promise<{ locations: Location[]; version: number; head: Position }>
  /**
   * What is served at a location, slot 1 first.
   * @throws DamagedDatabase, as does whatever else returns the bytes of signatures that are served
   */
  slots(location: Location): Promise<Slot[]>
  /** The same without the bytes, whatever has become of these. */
  slotHashes(location: Location): Promise<Pick<Slot, 'slot' | 'sha256'>[]>
  /** Locations that have slots, ordered by their number, from the one after `after`. */
  locations(after: number, limit: number): Promise<{ id: number; location: Location }[]>
  /**
   * What is in a folder of the tree, in pages: `team` or, for the top, the empty text, which is always there; null:
   * nothing is there. A page may be short, even empty, and not be the last.
   */
  folder(path: string, after: FolderMark | null, limit: number): Promise<FolderPage | null>
  /** Whether some signature is stored with just these bytes, served or not. */
  holds(sha256: string): Promise<boolean>
  /** The bytes of a signature that is served somewhere. */
  blob(sha256: string): Promise<Uint8Array | null>
  find(id: number): Promise<StoredSignature | null>
  list(query: Query): Promise<SignaturePage>
  /** Every signature that was ever added, served or not, from the one after `after`. */
  added(after: number, limit: number): Promise<AddedSignature[]>
  changesAfter(seq: number, limit: number): Promise<Change[]>
  /** Signatures as they were added that are not withdrawn, whether served or not, from the one after `after`. */
  standing(query: StandingQuery): Promise<Standing[]>
  bannedKeys(): Promise<BannedKey[]>
  /** Bytes on disk: of the store itself, and of what was committed and is not in it yet. */
  sizes(): Promise<{ database: number; log: number }>
  /** What the store finds wrong with its files and rows, a sentence each, of very many some; it reads everything. */
  integrity(): Promise<string[]>
}

/** Directories to be written again, besides what the log asks for. */
export interface TreeBacklog {
  /** Marks a location; `error` says why writing it failed, null that nobody tried yet. */
  addToBacklog(location: Location, error: string | null): Promise<void>
  backlog(): Promise<BacklogEntry[]>
  settleBacklog(location: Location): Promise<void>
}

export interface Tokens {
  addToken(token: TokenRecord, by?: By): Promise<void>
  token(id: string): Promise<TokenRecord | null>
  tokens(): Promise<TokenRecord[]>
  /** False where no such token exists or it was revoked before. */
  revokeToken(id: string, time: number, by?: By): Promise<boolean>
}

export interface NewSignature {
  home: Location & { kind: 'repository' }
  views: readonly Location[]
  identity: string
  sha256: string
  format: SignatureFormat
  blob: Uint8Array
  host: string
  dockerReference: string
  signer: StoredSigner | null
  /** With each key that the signature can be of, and that is known; keys that storage has not are left out. */
  checks: readonly StoredCheck[]
  /** The fingerprint of the key by which it is valid at present; null: it supersedes nothing but worse copies. */
  validBy: string | null
  /** Who put it there, as the log shows it: `token:<id> <name>`, `import`, …; and from where, for the audit trail. */
  actor: string
  origin?: Origin
  /** The source that has it, and the round it is seen in; absent: it was uploaded here. */
  source?: { name: string; round: number }
  /** Where it was withdrawn: that is over, for this reason. */
  reinstate?: { reason: string | null }
}

/** Times in Unix seconds. */
export type StoredSigner = Omit<UnverifiedSigner, 'publicKeyAlgorithm' | 'hashAlgorithm'>

export interface Appended {
  outcome: 'added' | 'present'
  /** It was here before, be it in other bytes, and had been taken away: it is nothing new. */
  returned: boolean
  signature: StoredSignature
  /** The hosts seen before, if this is the first claim that names another one; else null. */
  otherHosts: string[] | null
}

/** A signature as it was added. */
export interface AddedSignature {
  /** The number of the change that added it. */
  id: number
  repository: Repository
  digest: Digest
  identity: string
  sha256: string
  format: SignatureFormat
  dockerReference: string
  signer: StoredSigner | null
  blob: Uint8Array
  added: number
  actor: string
}

/** One that is served. */
export interface StoredSignature extends AddedSignature {
  slot: number
  /** With each key of the keyring that it was tried with. */
  checks: StoredCheck[]
  /** By the keyring, at the time of reading. */
  verdict: VerdictName
  /** Whose verdict it is; null for `unknown-key`. */
  key: Omit<KeyringKey, 'timeline'> | null
}

export interface SignaturePage {
  signatures: StoredSignature[]
  /** For `after`; null where nothing follows. A page may be short, even empty, and yet not be the last. */
  next: number | null
}

export interface Slot {
  slot: number
  sha256: string
  /** Unix seconds. */
  modified: number
  /** Until when it is there for readers under way, in Unix seconds: a lower slot has the same; null: it is live. */
  leaves: number | null
  blob: Uint8Array
}

/** Where a page of a folder ended: to be handed back as it is. */
export type FolderMark = string

export interface FolderPage {
  /** When something in or below the folder last changed, in Unix seconds; the same on every page. */
  changed: number
  entries: FolderEntry[]
  /** Null where nothing follows. */
  next: FolderMark | null
}

/** Each name once; a folder's has no slash. Times in Unix seconds; of a folder, when something below last changed. */
export type FolderEntry =
  | { kind: 'folder'; name: string; modified: number }
  | { kind: 'slot'; name: string; modified: number; size: number; sha256: string }

export interface Query {
  repository?: Repository
  digest?: Digest
  /** A key id (16 upper-case hex digits), or a whole fingerprint (40, or 64 of version 6). */
  key?: string
  verdict?: VerdictName
  after?: number
  limit: number
  /** Where the blobs that were looked at come to so many bytes, the page ends, even below `limit`. */
  maxBytes?: number
}

export type ChangeKind = 'added' | 'withdrawn' | 'superseded' | 'removed' | 'reinstated'

export interface Change {
  seq: number
  time: number
  kind: ChangeKind
  signature: number
  repository: Repository
  digest: Digest
  identity: string
  sha256: string
  actor: string
  reason: string | null
  hash: string
}

/** A point in the log: the hash says that it is this log and no other. */
export interface Position {
  seq: number
  hash: string
}

export interface DigestView {
  base: string
  repositories: readonly string[]
}

export interface BacklogEntry {
  location: Location
  error: string | null
  since: number
}

export interface Lease {
  release(): void
}

export interface TokenRecord {
  id: string
  name: string
  /** SHA-256 of the secret. */
  hash: Uint8Array
  scopes: string[]
  created: number
  expires: number | null
  revoked: number | null
}

/** The registry extension answers with all signatures of a digest, base64, in one list that clients cut at 4 MiB. */
export const maxBytesPerLocation = 3 * 1024 * 1024 - 32 * 1024
