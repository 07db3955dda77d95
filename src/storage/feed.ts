import type { Change } from './storage.ts'

/** The log as others follow it. */
export interface Feed {
  /**
   * Changes after `seq` in their order, at most `limit`. `blob` is with those that added or reinstated a signature which
   * is served now, and else null. The answer ends early where its blobs come to `maxBytes`: it has one change at least,
   * if there is one.
   */
  changesWithBlobs(seq: number, limit: number, maxBytes: number): Promise<ChangeWithBlob[]>
}

export type ChangeWithBlob = Change & { blob: Uint8Array | null }
