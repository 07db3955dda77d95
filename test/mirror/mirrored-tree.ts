import assert from 'node:assert/strict'
import { listingSource } from '../../src/mirror/listing.ts'
import { heldIn, newStaticCopy, type StaticCopy } from './static-copy.ts'
import { fileAt, slotPath, type TreeServer, treeServer } from './tree-server.ts'

export interface MirroredTree extends StaticCopy {
  tree: TreeServer
  add(path: string, options?: { age?: number }): void
  /** One round. */
  round(signal?: AbortSignal): Promise<void>
  /** Whether the copy has what the source has. */
  same(): Promise<void>
}

/** A tree with these files and a copy of it, which is empty. */
export async function mirrored(
  paths: readonly string[],
  { base, age, ...options }: { base?: string; age?: number; clock?: () => number; maxFolders?: number } = {},
): Promise<MirroredTree> {
  const tree = await treeServer(base)
  const add: MirroredTree['add'] = (path, options) => tree.files.set(path, fileAt(path, options))
  for (const path of paths) add(path, { ...(age !== undefined && { age }) })
  const copy = await newStaticCopy(tree.from)
  const source = listingSource({ fetch: copy.fetch, from: tree.from, ...options })
  return {
    ...copy,
    tree,
    add,
    round: (signal) => copy.copy(source, signal),
    async same() {
      const blobs = new Map([...tree.files].map(([path, { blob }]) => [path, blob]))
      assert.deepEqual(await copy.held(), heldIn(blobs))
    },
  }
}

export const [a1, a2, a3] = [slotPath('a', 1), slotPath('a', 2), slotPath('a', 3)]
export const b1 = slotPath('b', 1)
export const deep = slotPath('c', 1, 'a/b.c/d_e/f-g@')
/** Of a slot, with a slash at its end. */
export const folder = (path: string) => path.slice(0, path.lastIndexOf('/') + 1)
