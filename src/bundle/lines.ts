import { hash } from 'node:crypto'
import { type Digest, isDigest } from '../reference/digest.ts'
import { isRepository, type Repository } from '../reference/repository.ts'
import { maxBlobBytes } from '../reference/tree-path.ts'
import type { ChangeKind } from '../storage/storage.ts'
import { invalid, isSha256, type Part, parseJson } from './head.ts'

/** A signature in a bundle. */
export interface Entry {
  /** The number it has where the bundle is from. */
  id: number
  repository: Repository
  digest: Digest
  identity: string
  sha256: string
  size: number
}

/** One that is not served any more where the bundle is from. */
export interface Gone {
  id: number
  repository: Repository
  digest: Digest
  identity: string
  kind: GoneKind
}

export const goneKinds = ['withdrawn', 'superseded', 'removed'] as const satisfies readonly ChangeKind[]
export type GoneKind = (typeof goneKinds)[number]

/** What is in memory at once, of a reader as of a writer. */
export const maxPartLines = 1000
export const maxPartBlobBytes = 2 * maxBlobBytes

/** Above what the longest repository (255), digest (135) and two hashes need. */
const maxLineSize = 1024
export const maxPartSize = maxPartLines * maxLineSize

export type PartKind = 'signatures' | 'withdrawals'

/** The names of a bundle are in the order of their octets: head, signature, then each part before its blobs. */
export function partName(kind: PartKind, index: number): string {
  return `${kind}/${String(index + 1).padStart(8, '0')}.jsonl`
}

export function blobName(index: number, sha256: string): string {
  return `signatures/${String(index + 1).padStart(8, '0')}/${sha256}`
}

function formatEntry({ id, repository, digest, identity, sha256, size }: Entry): string {
  return JSON.stringify({ id, repository, digest, identity, sha256, size })
}

function formatGone({ id, repository, digest, identity, kind }: Gone): string {
  return JSON.stringify({ id, repository, digest, identity, kind })
}

/** Reads a line of a part; only the text that the formatting function writes of the result. */
export interface LineForm<Line> {
  format(line: Line): string
  isLine(line: Line): boolean
}

const isOfAnySignature = ({ id, repository, digest, identity }: Entry | Gone): boolean =>
  Number.isSafeInteger(id) &&
  id > 0 &&
  typeof repository === 'string' &&
  isRepository(repository) &&
  typeof digest === 'string' &&
  isDigest(digest) &&
  isSha256(identity)

export const entryForm: LineForm<Entry> = {
  format: formatEntry,
  isLine: (line) =>
    isOfAnySignature(line) &&
    isSha256(line.sha256) &&
    Number.isSafeInteger(line.size) &&
    line.size > 0 &&
    line.size <= maxBlobBytes,
}

export const goneForm: LineForm<Gone> = {
  format: formatGone,
  isLine: (line) => isOfAnySignature(line) && goneKinds.includes(line.kind),
}

/**
 * The lines of a part, which are in the order of their numbers: above `after`, and at most `to`.
 * @throws Refusal bundle-invalid
 */
export function parseLines<Line extends Entry | Gone>(
  name: string,
  part: Buffer,
  { format, isLine }: LineForm<Line>,
  { after, to }: { after: number; to: number },
): Line[] {
  const texts = part.toString('latin1').split('\n')
  if (texts.pop() !== '') throw invalid(`${name} does not end with a line`)
  if (texts.length > maxPartLines) throw invalid(`${name} has more than ${maxPartLines} lines`)
  let last = after
  return texts.map((text, index) => {
    const line = parseJson(text) as Line | null
    if (typeof line !== 'object' || line === null || !isLine(line) || format(line) !== text)
      throw invalid(`line ${index + 1} of ${name} is not as lookaside export writes it`)
    if (line.id <= last || line.id > to) throw invalid(`line ${index + 1} of ${name} is out of order`)
    last = line.id
    return line
  })
}

export function formatLines<Line>(
  lines: readonly Line[],
  { format }: Pick<LineForm<Line>, 'format'>,
): Buffer {
  return Buffer.from(lines.map((line) => `${format(line)}\n`).join(''), 'latin1')
}

export function partOf(lines: Buffer): Part {
  return { sha256: hash('sha256', lines, 'hex'), size: lines.length }
}

/** Of the blobs of a part, each once, in the order in which they follow it. */
export function blobSizes(name: string, entries: readonly Entry[]): Map<string, number> {
  const sizes = new Map<string, number>()
  let total = 0
  for (const { sha256, size } of entries) {
    const known = sizes.get(sha256)
    if (known !== undefined && known !== size) throw invalid(`${name} gives two sizes for one blob`)
    if (known === undefined) total += size
    sizes.set(sha256, size)
  }
  if (total > maxPartBlobBytes) throw invalid(`the blobs of ${name} have more than ${maxPartBlobBytes} bytes`)
  return new Map([...sizes].sort(([one], [other]) => (one < other ? -1 : 1)))
}
