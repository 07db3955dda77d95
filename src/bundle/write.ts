import { hash } from 'node:crypto'
import type { AddedSignature, Storage } from '../storage/storage.ts'
import { formatHead, type Head, headName, headSignatureName, type Listing } from './head.ts'
import {
  blobName,
  blobSizes,
  type Entry,
  entryForm,
  formatLines,
  type Gone,
  goneForm,
  maxPartBlobBytes,
  maxPartLines,
  partName,
  partOf,
} from './lines.ts'
import { rowsOf, type Selection, select, type Wanted } from './select.ts'
import { tarEnd, tarHeader, tarPadding } from './tar.ts'

/** A bundle that is about to be written. */
export interface DraftedBundle {
  head: Head
  /** What a detached signature is to be over. */
  headOctets: Uint8Array
  /** The archive, in pieces. Of the same head it is always the same, but for the signature. */
  archive(headSignature: Uint8Array | null): AsyncGenerator<Uint8Array>
}

/**
 * Finds out what a bundle has, of the log as it is now. Everything is read twice, because the hashes of all parts stand
 * first; in memory there is one part, and an octet for each change of the log.
 */
export async function draftBundle(storage: Storage, wanted: Wanted): Promise<DraftedBundle> {
  const epoch = await storage.epoch()
  const selection = await select(storage, wanted)
  const head: Head = {
    format: 1,
    epoch,
    scope: selection.scope,
    from: selection.from,
    to: selection.to,
    trail: selection.trail,
    signatures: await listingOf(signatureParts(storage, selection)),
    withdrawals: await listingOf(withdrawalParts(storage, selection)),
  }
  const headOctets = Buffer.from(formatHead(head))
  return {
    head,
    headOctets,
    async *archive(headSignature) {
      yield* file(headName, headOctets)
      if (headSignature) yield* file(headSignatureName, headSignature)
      let index = 0
      for await (const { lines, entries, blobs } of signatureParts(storage, selection)) {
        const name = partName('signatures', index)
        yield* file(name, lines)
        for (const sha256 of blobSizes(name, entries).keys())
          yield* file(blobName(index, sha256), blobs.get(sha256) as Uint8Array)
        index++
      }
      index = 0
      for await (const { lines } of withdrawalParts(storage, selection))
        yield* file(partName('withdrawals', index++), lines)
      yield tarEnd
    },
  }
}

function* file(name: string, content: Uint8Array): Generator<Uint8Array> {
  yield tarHeader(name, content.length)
  yield content
  yield tarPadding(content.length)
}

async function listingOf(parts: AsyncIterable<{ lines: Buffer; count: number }>): Promise<Listing> {
  const listing: Listing = { count: 0, parts: [] }
  for await (const { lines, count } of parts) {
    listing.count += count
    listing.parts.push(partOf(lines))
  }
  return listing
}

interface SignaturePart {
  lines: Buffer
  count: number
  entries: Entry[]
  blobs: Map<string, Uint8Array>
}

async function* signatureParts(
  storage: Pick<Storage, 'added'>,
  selection: Selection,
): AsyncGenerator<SignaturePart> {
  let rows: AddedSignature[] = []
  let bytes = 0
  for await (const row of rowsOf(storage, selection.served())) {
    requireSound(row)
    if (rows.length === maxPartLines || bytes + row.blob.length > maxPartBlobBytes) {
      yield signaturePart(rows)
      rows = []
      bytes = 0
    }
    rows.push(row)
    bytes += row.blob.length
  }
  if (rows.length) yield signaturePart(rows)
}

/** A reader would refuse the whole bundle. */
function requireSound({ id, sha256, blob }: AddedSignature): void {
  if (hash('sha256', blob, 'hex') !== sha256)
    throw new Error(`Signature ${id} is damaged in the database: run lookaside fsck`)
}

function signaturePart(rows: AddedSignature[]): SignaturePart {
  const entries = rows.map(({ blob, ...row }) => ({ ...row, size: blob.length }))
  const blobs = new Map(rows.map(({ sha256, blob }) => [sha256, blob]))
  return { lines: formatLines(entries, entryForm), count: entries.length, entries, blobs }
}

async function* withdrawalParts(
  storage: Pick<Storage, 'added'>,
  selection: Selection,
): AsyncGenerator<{ lines: Buffer; count: number }> {
  let gone: Gone[] = []
  for await (const row of rowsOf(storage, selection.gone())) {
    if (gone.length === maxPartLines) {
      yield withdrawalPart(gone)
      gone = []
    }
    gone.push({ ...row, kind: selection.kindOf(row.id) })
  }
  if (gone.length) yield withdrawalPart(gone)
}

function withdrawalPart(gone: Gone[]): { lines: Buffer; count: number } {
  return { lines: formatLines(gone, goneForm), count: gone.length }
}
