import { Refusal } from '../refusal.ts'
import type { Position } from '../storage/storage.ts'
import { isTrail } from './trail.ts'

/** The first file of a bundle; whoever signs it signs all: it has the hashes of the parts, and these have the others. */
export const headName = 'lookaside-bundle.json'
/** The second, if there is one: a detached OpenPGP signature over the octets of the first. */
export const headSignatureName = `${headName}.asc`

/** Hundreds of millions of signatures. */
export const maxHeadSize = 16 * 1024 * 1024

export interface Head {
  format: 1
  /** Of the log that it was made from. */
  epoch: string
  /**
   * `whole`: all that is served at `to`. `since`: what became of the signatures that changes after `from` are about.
   * `images`: the same of all changes, for the digests in a list alone.
   */
  scope: Scope
  /** Change 0, unless it is `since`. */
  from: Position
  to: Position
  /** See `newTrail`; empty, unless it is `since`. */
  trail: string
  /** Those that are served at `to`. */
  signatures: Listing
  /** Those that are not served at `to` any more; none in a `whole` one, where what is missing says so. */
  withdrawals: Listing
}

export const scopes = ['whole', 'since', 'images'] as const
export type Scope = (typeof scopes)[number]

/** Lines in parts of limited size, so that neither writer nor reader ever has them all. */
export interface Listing {
  count: number
  parts: Part[]
}

export interface Part {
  sha256: string
  size: number
}

export function formatHead(head: Head): string {
  const { format, epoch, scope, from, to, trail, signatures, withdrawals } = head
  const listing = ({ count, parts }: Listing) => ({
    count,
    parts: parts.map(({ sha256, size }) => ({ sha256, size })),
  })
  const document = {
    format,
    epoch,
    scope,
    from: { seq: from.seq, hash: from.hash },
    to: { seq: to.seq, hash: to.hash },
    trail,
    signatures: listing(signatures),
    withdrawals: listing(withdrawals),
  }
  return `${JSON.stringify(document, null, 1)}\n`
}

/**
 * Only the text that `formatHead` writes of the result.
 * @throws Refusal bundle-invalid
 */
export function parseHead(text: string): Head {
  const head = parseJson(text) as Head
  if (isHead(head) && formatHead(head) === text) return head
  const format = (head as { format?: unknown } | null)?.format
  if (Number.isInteger(format) && format !== 1)
    throw invalid(`it has format ${format}, which a newer lookaside may read`)
  throw invalid(`${headName} is not as lookaside export writes it`)
}

function isHead(head: Head): boolean {
  try {
    const { format, epoch, scope, from, to, trail, signatures, withdrawals } = head
    return (
      format === 1 &&
      /^[0-9a-f]{32}$/.test(epoch) &&
      scopes.includes(scope) &&
      isPosition(from) &&
      isPosition(to) &&
      from.seq <= to.seq &&
      (scope === 'since' || from.seq === 0) &&
      isTrail(trail, head) &&
      isListing(signatures) &&
      isListing(withdrawals) &&
      (scope !== 'whole' || withdrawals.count === 0)
    )
  } catch {
    // It has not even the objects that it should have.
    return false
  }
}

function isPosition({ seq, hash }: Position): boolean {
  return Number.isSafeInteger(seq) && seq >= 0 && isSha256(hash)
}

function isListing({ count, parts }: Listing): boolean {
  return (
    Number.isSafeInteger(count) &&
    count >= parts.length &&
    count > 0 === parts.length > 0 &&
    parts.every(({ sha256, size }) => isSha256(sha256) && Number.isSafeInteger(size) && size > 0)
  )
}

export function isSha256(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export function invalid(reason: string, cause?: unknown): Refusal {
  return new Refusal('bundle-invalid', `The bundle cannot be used: ${reason}`, { cause })
}
