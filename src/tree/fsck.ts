import { formatSlotPath } from '../reference/tree-path.ts'
import { checkDatabase } from '../storage/check.ts'
import type { Storage } from '../storage/storage.ts'
import { type CheckedTree, ownTree, publishedCopy } from './checked-tree.ts'
import {
  compareLocation,
  type Damage,
  type DamageKind,
  type Differences,
  damageOf,
  findUnknown,
  noDifferences,
} from './compare.ts'
import { folderWriter } from './folder-writer.ts'
import { mend } from './mend.ts'
import { isForeign } from './projector.ts'
import type { Tree } from './tree.ts'

export interface FsckReport {
  changes: number
  locations: number
  signatures: number
  /** Locations that a server, or a repair without one, has still to write, in each tree: no damage. */
  pending: number
  damage: Damage[]
}

export interface FsckOptions {
  /** Rewrites the trees from the database, and moves what the database does not know to lost+found. */
  repair: boolean
  /** Without a tree (`tree.enabled: false`) only the database, and what is published, is checked. */
  tree: Tree | null
  /** Directories that are published. */
  publish?: readonly string[]
  /** Locations compared so far. */
  onProgress(done: number): void
}

const page = 500

/**
 * Compares the database with itself, and byte by byte with the tree and what is published. A server may run meanwhile:
 * a tree that is behind is compared as far as it has come.
 */
export async function fsck(
  storage: Storage,
  { tree, publish = [], repair, onProgress }: FsckOptions,
): Promise<FsckReport> {
  const report: FsckReport = { changes: 0, locations: 0, signatures: 0, pending: 0, damage: [] }
  const add = (kind: DamageKind, where: string, detail: string) =>
    report.damage.push({ kind, where, detail, repaired: false })

  const { whole, ...checked } = await checkDatabase(storage, add)
  Object.assign(report, checked)
  // What cannot be read through cannot be compared with anything, let alone written out.
  if (!whole) return report
  const trees: [CheckedTree, Differences][] = tree ? [[ownTree(storage, tree), noDifferences()]] : []
  for (const directory of publish) {
    const trouble = await troubleOf(storage, directory)
    if (trouble) add('unknown-tree', directory, trouble)
    else trees.push([publishedCopy(storage, directory), noDifferences()])
  }

  let after = 0
  for (;;) {
    const locations = await storage.locations(after, page)
    const last = locations.at(-1)
    if (!last) break
    after = last.id
    for (const { location } of locations) {
      const slots = await storage.slots(location)
      for (const [index, { slot }] of slots.entries())
        if (slot !== index + 1)
          add('hole', formatSlotPath(location, slot), `Slot ${index + 1} is empty, which hides it`)
      for (const [each, differences] of trees) await compareLocation(each, location, slots, differences)
      report.locations++
    }
    onProgress(report.locations)
  }
  for (const [each, differences] of trees) {
    await findUnknown(each, differences)
    if (repair)
      await mend(each, differences).catch((error: Error) => {
        // That a disk is away which is carried about is no reason not to tell of the others.
        if (each.directory === null) throw error
        add('unknown-tree', each.directory, `It cannot be written: ${error.message}`)
      })
    report.pending += differences.pending
    report.damage.push(...damageOf(differences))
  }
  return report
}

/** What the server leaves alone is not compared: all that lies there would be unknown. */
async function troubleOf(storage: Storage, directory: string): Promise<string | null> {
  try {
    const { tree } = publishedCopy(storage, directory)
    const isOther = await isForeign(storage, folderWriter(tree))
    return isOther ? 'It holds what is not of this log, and is left alone until it is emptied' : null
  } catch (error) {
    return `It cannot be read: ${(error as Error).message}`
  }
}
