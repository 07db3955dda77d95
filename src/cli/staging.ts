import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isRepository, type Repository } from '../reference/repository.ts'
import { maxBlobBytes, type SlotPath } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type Signature } from '../signature/signature.ts'
import { walk } from '../tree/walk.ts'

/** A file on its way to a server. */
export interface StagedFile {
  path: string
  /** Its place in the tree it was found in; null for a file that was named by itself. */
  slot: SlotPath | null
  /** Null, or why it is not sent. */
  oddity: string | null
}

/**
 * The files that are named, and those in the trees that are named. Links in a tree are told of and not followed: what
 * they lead to was not put there to be published.
 * @throws Refusal configuration where a path leads nowhere; errors of the file system
 */
export async function collect(paths: readonly string[]): Promise<StagedFile[]> {
  const kinds = await Promise.all(paths.map(kindOf))
  const files: StagedFile[] = []
  for (const [index, path] of paths.entries()) {
    if (kinds[index] === 'file') files.push({ path, slot: null, oddity: null })
    else
      for await (const found of walk(path))
        files.push({ path: join(path, found.path), slot: found.slot, oddity: oddityOf(found.slot) })
  }
  return files
}

/** The files of each folder in the order of their slots. */
export function byFolder(files: readonly StagedFile[]): StagedFile[][] {
  return [...Map.groupBy(files, ({ path }) => dirname(path)).values()]
}

/** @throws Refusal bad-request, too-large */
export async function readStaged({ path, slot }: StagedFile): Promise<Uint8Array> {
  // A file of a tree may have been made a link since it was seen.
  const flags = constants.O_RDONLY | (slot ? constants.O_NOFOLLOW : 0)
  let file: FileHandle | undefined
  try {
    file = await open(path, flags)
    const buffer = Buffer.alloc(Math.min((await file.stat()).size, maxBlobBytes) + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length)
      length += bytesRead
      if (bytesRead === 0 || length === buffer.length) break
    }
    if (length <= maxBlobBytes) return buffer.subarray(0, length)
  } catch (cause) {
    throw new Refusal('bad-request', `It cannot be read: ${(cause as Error).message}`, { cause })
  } finally {
    await file?.close()
  }
  throw new Refusal(
    'too-large',
    `It is larger than ${maxBlobBytes} bytes; no client reads more of a signature`,
  )
}

/**
 * Where a file of a tree must be put explicitly: the repository of its folder, under the prefix, if its claim names
 * another one (a signed image that was copied). Null: where its claim belongs.
 * @throws Refusal digest-mismatch, name-too-long
 */
export function explicitPlace(
  { slot }: StagedFile,
  bytes: Uint8Array,
  prefix: string | undefined,
): Repository | null {
  const claim = slot && claimOf(bytes)
  if (!claim) return null
  const { location } = slot
  if (claim.digest !== location.digest) {
    throw new Refusal(
      'digest-mismatch',
      `Its claim is about ${claim.digest}, which is not the digest of its folder`,
    )
  }
  if (location.kind === 'view' || location.name === claim.reference.path) return null
  const name = prefix === undefined ? location.name : `${prefix}/${location.name}`
  if (!isRepository(name))
    throw new Refusal('name-too-long', `${name} is longer than the 255 characters that clients allow`)
  return name
}

/** Null where the server is to say what is wrong. */
function claimOf(bytes: Uint8Array): Signature['claim'] | null {
  try {
    return readSignature(bytes, { sigstoreJson: true }).claim
  } catch {
    return null
  }
}

function oddityOf(slot: SlotPath | null): string | null {
  return slot ? null : 'It is not called <repository>@<algorithm>=<hex>/signature-<N>, or is no regular file'
}

async function kindOf(path: string): Promise<'file' | 'folder'> {
  let found: Stats
  try {
    found = await stat(path)
  } catch (cause) {
    throw new Refusal(
      'configuration',
      `There is no file or folder to be read at ${path}: ${(cause as Error).message}`,
      { cause },
    )
  }
  if (found.isDirectory()) return 'folder'
  if (found.isFile()) return 'file'
  throw new Refusal('configuration', `${path} is neither a file nor a folder`)
}
