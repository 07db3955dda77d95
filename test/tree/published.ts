import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { formatSlotPath } from '../../src/reference/tree-path.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { walk } from '../../src/tree/walk.ts'

/** What readers of a docroot find: by its path, the hash of each slot, and its time in whole seconds. */
export async function readDocroot(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { path, slot } of walk(root)) {
    const file = join(root, path)
    found[path] = slot ? read(file) : 'no slot'
  }
  return sorted(found)
}

/** A writer may take it away at any moment. */
function read(file: string): string {
  try {
    return entry(sha256(readFileSync(file)), statSync(file).mtimeMs / 1000)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone'
    throw error
  }
}

/** The same as the database says that it is to be. */
export async function readSlots(storage: Storage): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (let after = 0; ; ) {
    const locations = await storage.locations(after, 500)
    const last = locations.at(-1)
    if (!last) return sorted(found)
    after = last.id
    for (const { location } of locations)
      for (const { slot, sha256, modified } of await storage.slots(location))
        found[formatSlotPath(location, slot)] = entry(sha256, modified)
  }
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const entry = (hash: string, modified: number) => `${hash} ${modified}`

const sorted = (found: Record<string, string>) =>
  Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
