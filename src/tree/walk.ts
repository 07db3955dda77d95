import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseSlotPath, type SlotPath } from '../reference/tree-path.ts'
import { positionFile } from './position.ts'

/** What lies in a docroot; `path` is relative to it. `slot` is null where the name is no slot or it is no regular file. */
export interface Found {
  path: string
  slot: SlotPath | null
}

/**
 * Walks a docroot that anybody may have filled: links are told of and never followed, and each folder's slots come in
 * the order of their numbers. A docroot that is not there is empty.
 * @throws errors of the file system
 */
export async function* walk(root: string, folder = ''): AsyncGenerator<Found> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error) => {
    if (folder === '' && error.code === 'ENOENT') return []
    throw error
  })
  entries.sort(byName)
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (path === positionFile) continue
    if (entry.isDirectory()) yield* walk(root, path)
    else yield { path, slot: entry.isFile() ? parseSlotPath(path) : null }
  }
}

function byName(a: Dirent, b: Dirent): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true })
}
