import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { Refusal } from '../refusal.ts'
import type { SourceKey } from '../storage/sources.ts'
import type { Pace } from './pace.ts'

/** Where signatures are copied from. It says nothing of what may come in: everything passes the admission of the mirror. */
export interface Source {
  kind: 'feed' | 'listing' | 'images'
  /**
   * Brings the destination to what the source has now, from wherever it was left. Of a feed that is followed, it
   * returns only when `signal` says so.
   * @throws whatever keeps the source from being read, and anything once `signal` ends it; calling it again goes on where
   *   it stopped
   */
  copy(destination: Destination, options: { follow: boolean; signal: AbortSignal }): Promise<void>
}

/** This data folder, as a source fills it. Repositories are those of the source: where they live here is its business. */
export interface Destination {
  /**
   * One signature that the source has. What is refused is counted and told of, and is no error.
   * @throws Refusal busy, disk-full
   */
  take(at: At, bytes: Uint8Array): Promise<Taken>
  /** The source sent what cannot even be offered to `take`: it is counted and told of likewise. */
  refuse(where: string, why: Refusal): void
  /** The source has these; returns those that are to be taken, as they are not here as its contribution. */
  confirm(keys: readonly SourceKey[]): Promise<SourceKey[]>
  /** The source has these no more. Returns how many are served no more. */
  retract(keys: readonly SourceKey[]): Promise<number>
  /**
   * Begins to look through all that the source has: what `take` and `confirm` have not come across until `endRound` is
   * retracted there. A round that was interrupted is begun again.
   * @throws HeldBack by `endRound`, where the source seems to have lost most of what it had: nothing is retracted
   */
  beginRound(): Promise<void>
  endRound(): Promise<void>
  /** Of the log of this data folder. */
  epoch(): Promise<string>
  /** How many signatures are here as its contribution: at most `limit`, which is enough to tell whether there are many. */
  contributed(limit: number): Promise<number>
  /** The notes of the source on how far it has come, JSON. */
  state(): Promise<unknown>
  setState(state: unknown): Promise<void>
  /** What was noted of a page when it was last seen, JSON; null: nothing. */
  page(path: string): Promise<unknown>
  setPages(pages: readonly { path: string; seen: unknown }[]): Promise<void>
  /** Pages of which something is noted, ordered by path, from the one after `after`. */
  pages(after: string, limit: number): Promise<{ path: string; seen: unknown }[]>
  /** How fast the source may be read: it remembers what a copy that was interrupted brought. */
  pace: Pace
  /** For the person who looks on, and for the metrics. */
  report(progress: Progress): void
}

export interface At {
  repository: Repository
  digest: Digest
  /** Where the source says what it is, by content and by identity: anything else is refused. */
  sha256?: string
  identity?: string
}

/** `identity` is null where the bytes are no signature at all. */
export interface Taken {
  outcome: 'added' | 'present' | 'refused'
  /** It was here before, and had been taken away. */
  returned: boolean
  identity: string | null
}

export interface Progress {
  /** Signatures, or pages, looked at in this run. */
  done?: number
  /** Of how many, where that is known. */
  total?: number
  /** Changes of the source that are still to come; null: it has no log. */
  lagChanges?: number | null
  /** The time of the last change that is here, Unix milliseconds. */
  lastChange?: number
}

/**
 * Reads from a source: never more than `maxBytes`, never slower than its time limit, never more at once than it may.
 * @throws SourceTrouble for what keeps an answer from arriving, and for 429 and 5xx; AnswerTooLong, which is one
 */
export type Fetch = (
  /** From the URL of the source, such as `/team/app@sha256=…/signature-1`. */
  path: string,
  options: {
    maxBytes: number
    headers?: Record<string, string>
    /** Another base than the tree: the server that the feed is of. */
    base?: string
    /** Milliseconds, for an answer that may take long. */
    patience?: number
    signal?: AbortSignal
  },
) => Promise<Fetched>

export interface Fetched {
  status: number
  /** By lower-case name. */
  headers: Record<string, string | undefined>
  body: Buffer
}
