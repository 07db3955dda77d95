import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { Change } from './storage.ts'

/** What is here and what became of it, for people who look around. A page costs what is on it, however much there is. */
export interface Catalog {
  /**
   * Repositories that have, or had, a signature, in the order of their names from the one after `after`. `start`: those
   * whose name starts so.
   */
  repositories(query: { start?: string; after?: string; limit: number }): Promise<CatalogRepository[]>
  /** Those with that anywhere in their name, in the same order, among the first 10,000. */
  repositoriesWith(part: string, limit: number): Promise<CatalogRepository[]>
  /** Digests that start so, in their order: those that have, or had, a signature anywhere. */
  digestsFrom(start: string, limit: number): Promise<Digest[]>
  /** Digests at a repository, what changed last first, with those of which nothing is served any more. */
  digests(query: CatalogQuery): Promise<CatalogPage>
  /** What the log says of one signature, the latest first, from the one before the change `before`. */
  changesOf(signature: number, before: number | null, limit: number): Promise<Change[]>
  /** Of signatures of a digest at a repository that are not served any more: the last change of each, the latest first. */
  unserved(repository: Repository, digest: Digest, limit: number): Promise<Change[]>
}

export interface CatalogRepository {
  name: Repository
  /** When something there last changed, in Unix seconds. */
  changed: number
}

export interface CatalogQuery {
  repository: Repository
  /** Only digests for which a served claim names this image: a docker reference in its full form, however they spell it. */
  reference?: string
  /** `next` of the page before. */
  before?: number
  limit: number
}

export interface CatalogPage {
  digests: CatalogDigest[]
  /** For `before`; null where nothing follows. A page may be short, even empty, and not be the last. */
  next: number | null
}

export interface CatalogDigest {
  digest: Digest
  /** Unix seconds. */
  changed: number
  /** How many signatures are served. */
  signatures: number
}
