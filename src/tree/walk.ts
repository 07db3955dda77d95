import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
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
 * the order of their numbers. A docroot that is not there is empty.
 * @throws errors of the file system about the docroot itself
 */
export async function* walk(root: string, folder = ''): AsyncGenerator<Found> {
  let entries: Dirent[]
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (folder === '' && code === 'ENOENT') return
    if (folder === '') throw error
    return yield { path: folder, slot: null, error: message }
  }
  entries.sort(byName)
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (path === positionFile || path === ownFolder) continue
    if (entry.isDirectory()) yield* walk(root, path)
    else yield { path, slot: entry.isFile() ? parseSlotPath(path) : null }
  }
}

function byName(a: Dirent, b: Dirent): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true })
}
