import { type Dirent, opendirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseSlotPath, type SlotPath } from '../reference/tree-path.ts'
import { positionFile } from './position.ts'
import { ownFolder } from './tree.ts'

/** What lies in a docroot; `path` is relative to it. */
export interface Found {
  path: string
  /** Null where the name is no slot, or it is no regular file. */
  slot: SlotPath | null
  /** Of a folder that cannot be read. */
  error?: string
}

/**
 * Walks a docroot that anybody may have filled: links are told of and never followed, and each folder's slots come in
 * the order of their numbers. A folder may have millions of entries, which are read in parts. A docroot that is not there
 * is empty. Whatever else there is to do has its turn before each folder.
 * @throws errors of the file system about the docroot itself
 */
export async function* walk(root: string, folder = ''): AsyncGenerator<Found> {
  await nextTurn()
  try {
    for (const part of partsOf(join(root, folder))) yield* found(root, folder, part)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // An empty folder may go meanwhile; but one whose name is not UTF-8 is there under another.
    if (code === 'ENOENT' && !folder.includes('\ufffd')) return
    if (folder === '') throw error
    yield { path: folder, slot: null, error: message }
  }
}

async function* found(root: string, folder: string, entries: Dirent[]): AsyncGenerator<Found> {
  for (const entry of entries.sort(byName)) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (path === positionFile || path === ownFolder) continue
    if (entry.isDirectory()) yield* walk(root, path)
    else yield { path, slot: entry.isFile() ? parseSlotPath(path) : null }
  }
}

/** Waiting for each call would cost more than the calls: a folder has a few files as a rule. */
function* partsOf(folder: string): Generator<Dirent[]> {
  const directory = opendirSync(folder, { bufferSize })
  try {
    let part: Dirent[] = []
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      if (part.push(entry) < partSize) continue
      yield part
      part = []
    }
    yield part
  } finally {
    directory.closeSync()
  }
}

/** More than a folder has of slots. */
const partSize = 10_000
const bufferSize = 256

const { compare } = new Intl.Collator('en', { numeric: true })

function byName(a: Dirent, b: Dirent): number {
  return compare(a.name, b.name)
}
