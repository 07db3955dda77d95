import { hash } from 'node:crypto'
import { decompress } from './compression.ts'
import {
  type Head,
  headName,
  headSignatureName,
  invalid,
  type Listing,
  maxHeadSize,
  parseHead,
} from './head.ts'
import {
  blobName,
  blobSizes,
  type Entry,
  entryForm,
  type Gone,
  goneForm,
  type LineForm,
  maxPartSize,
  type PartKind,
  parseLines,
  partName,
} from './lines.ts'
import { type Octets, octetsOf } from './octets.ts'
import { blockSize, readTarHeader, tarHeader, tarPadding } from './tar.ts'

/** A bundle that is being read. Anybody can have written it. */
export interface UntrustedBundle {
  head: Head
  headOctets: Uint8Array
  /** Null where it is not signed. Nobody has verified it. */
  headSignature: Uint8Array | null
  /** What follows, to be gone through once. Each part is what the head says. @throws Refusal bundle-invalid */
  parts(): AsyncGenerator<BundlePart>
  /** For who does not go through the parts. */
  close(): Promise<void>
}

export type BundlePart =
  | { kind: 'signatures'; entries: Entry[]; blobs: Map<string, Uint8Array> }
  | { kind: 'withdrawals'; gone: Gone[] }

/** Of a detached signature by some keys. */
const maxHeadSignatureSize = 64 * 1024

/**
 * Reads the beginning of a bundle, compressed or not. What is in memory at any time is bounded, and so is what is
 * decompressed: of each file, its name and size are known before it comes, and the header of another is refused.
 * @throws Refusal bundle-invalid
 */
export async function readBundle(file: AsyncIterable<Uint8Array>): Promise<UntrustedBundle> {
  const octets = octetsOf(decompress(file))
  try {
    return await readHead(octets)
  } catch (error) {
    await octets.close()
    throw error
  }
}

async function readHead(octets: Octets): Promise<UntrustedBundle> {
  const headOctets = await takeUnsized(octets, await octets.take(blockSize), headName, maxHeadSize)
  const head = parseHead(headOctets.toString('utf8'))
  let next: Buffer = await octets.take(blockSize)
  let headSignature: Uint8Array | null = null
  if (readTarHeader(next)?.name === headSignatureName) {
    headSignature = await takeUnsized(octets, next, headSignatureName, maxHeadSignatureSize)
    next = await octets.take(blockSize)
  }
  return {
    head,
    headOctets,
    headSignature,
    async *parts() {
      try {
        yield* partsOf(octets, next, head)
      } finally {
        await octets.close()
      }
    },
    close: octets.close,
  }
}

/** Whether a file begins as a bundle does, or is compressed: nothing else that is imported is. */
export function isUncompressedBundle(start: Buffer): boolean {
  return start.length >= blockSize && readTarHeader(start)?.name === headName
}

async function takeUnsized(octets: Octets, header: Buffer, name: string, maxSize: number): Promise<Buffer> {
  const found = readTarHeader(header)
  if (found?.name !== name) throw invalid(`it does not begin with ${name}: it is no bundle`)
  const { size } = found
  if (size > maxSize) throw invalid(`${name} has ${size} bytes; ${maxSize} is the most that is read`)
  requireHeader(header, name, size)
  return takeContent(octets, size)
}

/** An archive that was packed by another program is refused: there is one way to write each bundle. */
function requireHeader(header: Buffer, name: string, size: number): void {
  if (tarHeader(name, size).equals(header)) return
  const found = readTarHeader(header)
  const what = found ? `${found.name} of ${found.size} bytes` : 'something else'
  throw invalid(`${name} of ${size} bytes is due as lookaside export writes it, and ${what} comes`)
}

async function takeContent(octets: Octets, size: number): Promise<Buffer> {
  const content = await octets.take(size)
  const padding = tarPadding(size)
  if (!padding.equals(await octets.take(padding.length))) throw invalid('something stands between its files')
  return content
}

async function* partsOf(octets: Octets, first: Buffer, head: Head): AsyncGenerator<BundlePart> {
  let next: Buffer | null = first
  const takeHeader = async (): Promise<Buffer> => {
    const header = next ?? (await octets.take(blockSize))
    next = null
    return header
  }
  const take = async (name: string, { size, sha256 }: { size: number; sha256: string }): Promise<Buffer> => {
    requireHeader(await takeHeader(), name, size)
    const content = await takeContent(octets, size)
    if (hash('sha256', content, 'hex') !== sha256)
      throw invalid(`${name} does not have the SHA-256 ${sha256}`)
    return content
  }
  const linesOf = async function* <Line extends Entry | Gone>(
    kind: PartKind,
    listing: Listing,
    form: LineForm<Line>,
  ): AsyncGenerator<{ name: string; index: number; lines: Line[] }> {
    let after = 0
    let count = 0
    for (const [index, part] of listing.parts.entries()) {
      const name = partName(kind, index)
      if (part.size > maxPartSize) throw invalid(`${name} has more than ${maxPartSize} bytes`)
      const lines = parseLines(name, await take(name, part), form, { after, to: head.to.seq })
      after = lines.at(-1)?.id ?? after
      count += lines.length
      if (count > listing.count) break
      yield { name, index, lines }
    }
    if (count !== listing.count) throw invalid(`it has ${count} ${kind} and not ${listing.count}`)
  }

  for await (const { name, index, lines } of linesOf('signatures', head.signatures, entryForm)) {
    const blobs = new Map<string, Uint8Array>()
    for (const [sha256, size] of blobSizes(name, lines))
      blobs.set(sha256, await take(blobName(index, sha256), { size, sha256 }))
    yield { kind: 'signatures', entries: lines, blobs }
  }
  for await (const { lines } of linesOf('withdrawals', head.withdrawals, goneForm))
    yield { kind: 'withdrawals', gone: lines }
  const end = Buffer.concat([await takeHeader(), await octets.take(blockSize)])
  if (end.some((octet) => octet !== 0)) throw invalid('the archive goes on where it should end')
  await octets.end()
}
