import { formatSlotPath, type Location } from '../reference/tree-path.ts'
import { asFarAsItGoes, checkDatabase } from '../storage/check.ts'
import type { Storage } from '../storage/storage.ts'
import { type CheckedTree, ownTree, publishedCopy } from './checked-tree.ts'
import {
  compareLocation,
  type Damage,
  type DamageKind,
  damageOf,
  findUnknown,
  type HeldSlot,
  noDifferences,
} from './compare.ts'
import { folderWriter } from './folder-writer.ts'
import { mend, writeWhatIsLeft } from './mend.ts'
import { isForeign } from './projector.ts'
import type { Tree } from './tree.ts'

export interface FsckReport {
  changes: number
  locations: number
  signatures: number
  /** Locations that a server, or a repair without one, has still to write, in each tree: no damage. */
  pending: number
  /** How many damages there are, and how many of them are repaired. */
  damaged: number
  repaired: number
  /** The first of them: where a whole tree is gone, nobody reads a line for each of its files. */
  damage: Damage[]
}

export interface FsckOptions {
  /** Rewrites the trees from a database that is sound, and moves what it does not know to lost+found. */
  repair: boolean
  /** Called before the trees are repaired: takes in what another database wrote into them. */
  adopt?(): Promise<void>
  /** Without a tree (`tree.enabled: false`) only the database, and what is published, is checked. */
  tree: Tree | null
  /** Directories that are published. */
  publish?: readonly string[]
  /** Locations compared so far. */
  onProgress(done: number): void
}

const page = 500
const maxTold = 10_000

/**
 * Compares the database with itself, and byte by byte with the tree and what is published. A server may run meanwhile:
 * a tree that is behind is compared as far as it has come.
 */
export async function fsck(
  storage: Storage,
  { tree, publish = [], repair, adopt, onProgress }: FsckOptions,
): Promise<FsckReport> {
  const report: FsckReport = {
    changes: 0,
    locations: 0,
    signatures: 0,
    pending: 0,
    damaged: 0,
    repaired: 0,
    damage: [],
  }
  const tell = (damage: Damage) => {
    report.damaged++
    if (damage.repaired) report.repaired++
    if (report.damage.length < maxTold) report.damage.push(damage)
  }
  const add = (kind: DamageKind, where: string, detail: string) =>
    tell({ kind, where, detail, repaired: false })

  const { isSound, isWhole, ...checked } = await checkDatabase(storage, add)
  Object.assign(report, checked)
  // What cannot be read through cannot be compared with anything.
  if (!isWhole) return report
  // Nor is a tree made what a damaged database says: it may be all that is left.
  const checking = { repair: repair && isSound, tell }
  if (checking.repair) await adopt?.()
  const trees = tree ? [treeCheck(ownTree(storage, tree), checking)] : []
  for (const directory of publish) {
    const trouble = await troubleOf(storage, directory)
    if (trouble) add('unknown-tree', directory, trouble)
    else trees.push(treeCheck(publishedCopy(storage, directory), checking))
  }

  const isCompared = await asFarAsItGoes({ isSound }, add, async () => {
    for (let after = 0; ; ) {
      const locations = await storage.locations(after, page)
      const last = locations.at(-1)
      if (!last) break
      after = last.id
      for (const { location } of locations) {
        const slots = await storage.slotHashes(location)
        for (const [index, { slot }] of slots.entries())
          if (slot !== index + 1)
            add('hole', formatSlotPath(location, slot), `Slot ${index + 1} is empty, which hides it`)
        for (const each of trees) await each.compare(location, slots)
        report.locations++
      }
      onProgress(report.locations)
    }
    for (const each of trees) report.pending += await each.end()
  })
  if (!isCompared) for (const each of trees) await each.settle()
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

/** One tree, compared location by location and then looked through for what is in none. */
interface TreeCheck {
  compare(location: Location, slots: readonly HeldSlot[]): Promise<void>
  /** Mends, or leaves, what was found so far, and tells of it. */
  settle(): Promise<void>
  /** Returns how many locations a server, or a repair without one, has still to write: no damage. */
  end(): Promise<number>
}

/** What is damaged is mended and told of in parts: there may be millions of it. */
const partSize = 1000

function treeCheck(
  checked: CheckedTree,
  { repair, tell }: { repair: boolean; tell(damage: Damage): void },
): TreeCheck {
  const { directory } = checked
  const found = noDifferences()
  let isMending = repair

  const mending = async (work: () => Promise<void>) => {
    if (!isMending) return
    try {
      await work()
    } catch (error) {
      // That a disk is full, or away which is carried about, is no reason not to tell of what was found.
      isMending = false
      const detail = `It cannot be written: ${(error as Error).message}`
      tell({ kind: 'unknown-tree', where: directory ?? 'tree', detail, repaired: false })
    }
  }
  const settle = async () => {
    await mending(() => mend(checked, found))
    for (const damage of damageOf(found)) tell(damage)
    found.locations.clear()
    found.others = []
  }
  const settleIfMany = async () => {
    if (found.locations.size + found.others.length >= partSize) await settle()
  }

  return {
    async compare(location, slots) {
      await compareLocation(checked, location, slots, found)
      await settleIfMany()
    },

    settle,

    async end() {
      await findUnknown(checked, found, settleIfMany)
      await settle()
      await mending(async () => {
        found.pending = (await writeWhatIsLeft(checked)) ?? found.pending
      })
      return found.pending
    },
  }
}
