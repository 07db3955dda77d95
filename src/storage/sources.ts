import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { Reason } from './withdrawing.ts'

/**
 * Places that signatures come from beside uploads: mirrors and bundles, by a name of their own. A source takes away only
 * what it alone has contributed.
 */
export interface Sources {
  /**
   * Says that a source has these again, in this round. Returns those that are not stored as its contribution, and those
   * that were withdrawn here.
   */
  confirm(source: string, keys: readonly SourceKey[], round: number): Promise<SourceKey[]>
  /**
   * A source has these no more. What nobody else has is `removed`, and what it had superseded, and others have, comes
   * back. Unknown ones are left out.
   * @returns how many are no longer served
   */
  retract(source: string, keys: readonly SourceKey[], why: Reason): Promise<number>
  /** What a source has contributed, and not confirmed in this round. */
  unconfirmed(source: string, round: number, limit: number): Promise<SourceKey[]>
  /** How many a source has contributed: at most `limit`. */
  contributed(source: string, limit: number): Promise<number>
  /** Its own notes, JSON; null where there are none. */
  sourceState(source: string): Promise<string | null>
  setSourceState(source: string, state: string): Promise<void>
  setSourceStatus(source: string, status: string): Promise<void>
  sources(): Promise<{ name: string; state: string | null; status: string | null }[]>
  /** Of a page of the source: what was noted of it. */
  sourcePage(source: string, path: string): Promise<string | null>
  /** `seen` null: forget it. */
  setSourcePages(source: string, pages: readonly { path: string; seen: string | null }[]): Promise<void>
  /** Pages of which something is noted, ordered by path, from the one after `after`. */
  sourcePages(source: string, after: string, limit: number): Promise<{ path: string; seen: string }[]>
}

/** A signature as a source names it, at the repository where it is here. */
export interface SourceKey {
  repository: Repository
  digest: Digest
  identity: string
}
