import { createHash } from 'node:crypto'
import { isDigest } from '../reference/digest.ts'
import { isRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { SourceKey } from '../storage/sources.ts'
import { SourceTrouble } from './trouble.ts'

/** Changes, or signatures, that are asked for at once. */
export const pageLimit = 1000

/** A page of the feed ends at 1 MiB of blobs, but may hold one of 4 MiB alone; base64 and the rest come on top. */
export const maxPageBytes = 10 * 1024 * 1024

/** Of the log of another Lookaside. Nothing is known of it but that it has the form that it should have. */
export interface FeedPage {
  epoch: string
  changes: FeedChange[]
  next: number
  head: number
}

export interface FeedChange {
  seq: number
  /** Unix milliseconds. */
  time: number
  /** It says that it is this change and no other. */
  mark: string
  /** What it says about a signature; or why that cannot be used. */
  what: FeedStep | Refusal
}

/** `blob`: the source has the signature now, and these are its bytes; null where it has them no more. */
export type FeedStep = SourceKey & { sha256: string; present: boolean; blob: Buffer | null }

/** @throws SourceTrouble where the page as a whole makes no sense */
export function readFeedPage(body: Buffer, after: number): FeedPage {
  const { epoch, changes, next, head } = readObject(body)
  if (!isText(epoch) || !Array.isArray(changes) || !isCount(next) || !isCount(head))
    throw new SourceTrouble('its change log is not as it should be')
  if (changes.length > pageLimit)
    throw new SourceTrouble(`it sends more than the ${pageLimit} changes asked for`)
  const read = changes.map((change, index) => readChange(change, after + index + 1))
  if (next !== after + read.length) throw new SourceTrouble(`its change log leads from ${after} to ${next}`)
  return { epoch, changes: read, next, head }
}

/** What the source has, in pages; `after` of the next, or null. */
export function readSignaturesPage(
  body: Buffer,
  after: number,
): { signatures: (SourceKey & { sha256: string })[]; refused: number; next: number | null } {
  const { signatures, next } = readObject(body)
  if (!Array.isArray(signatures) || signatures.length > pageLimit || !(next === null || isCount(next)))
    throw new SourceTrouble('its list of signatures is not as it should be')
  if (next !== null && next <= after)
    throw new SourceTrouble(`its list of signatures leads from ${after} to ${next}`)
  const read = signatures
    .map(readKey)
    .filter((key): key is Exclude<typeof key, Refusal> => !(key instanceof Refusal))
  return { signatures: read, refused: signatures.length - read.length, next }
}

const changeKinds = ['added', 'withdrawn', 'superseded', 'removed', 'reinstated']

function readChange(change: unknown, seq: number): FeedChange {
  if (!isObject(change) || change.seq !== seq)
    throw new SourceTrouble(`its change log has no change ${seq} where it should be`)
  const time = isText(change.time) ? Date.parse(change.time) : Number.NaN
  if (Number.isNaN(time)) throw new SourceTrouble(`change ${seq} of its log has no time`)
  const { kind, signature, repository, digest, identity, sha256, hash } = change
  const fields = JSON.stringify([seq, time, kind, signature, repository, digest, identity, sha256])
  const mark = isHash(hash) ? hash : createHash('sha256').update(fields).digest('hex')
  return { seq, time, mark, what: readStep(change) }
}

function readStep(change: Record<string, unknown>): FeedChange['what'] {
  const key = readKey(change)
  if (key instanceof Refusal) return key
  const { kind, blob } = change
  if (!isText(kind) || !changeKinds.includes(kind))
    return new Refusal('bad-request', 'It is no change that is known here')
  const present = kind === 'added' || kind === 'reinstated'
  if (!present || blob === null || blob === undefined) return { ...key, present, blob: null }
  if (typeof blob !== 'string') return new Refusal('bad-request', 'Its bytes are no text')
  return { ...key, present, blob: Buffer.from(blob, 'base64') }
}

function readKey(value: unknown): (SourceKey & { sha256: string }) | Refusal {
  if (!isObject(value)) return new Refusal('bad-request', 'It is no signature')
  const { repository, digest, identity, sha256 } = value
  if (!isText(repository) || !isRepository(repository))
    return new Refusal('bad-reference', 'It is at no repository')
  if (!isText(digest) || !isDigest(digest)) return new Refusal('bad-digest', 'It is about no digest')
  if (!isHash(identity) || !isHash(sha256)) return new Refusal('bad-request', 'It has no identity')
  return { repository, digest, identity, sha256 }
}

function readObject(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString())
    if (isObject(value)) return value
  } catch {
    // Told below.
  }
  throw new SourceTrouble('it answers what is no JSON document')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 300
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
