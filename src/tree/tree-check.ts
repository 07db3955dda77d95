import type { Location } from '../reference/tree-path.ts'
import type { Slot } from '../storage/storage.ts'
import type { CheckedTree } from './checked-tree.ts'
import { compareLocation, type Damage, damageOf, findUnknown, noDifferences } from './compare.ts'
import { mend, writeWhatIsLeft } from './mend.ts'

/** One tree, compared location by location and then looked through for what is in none. */
export interface TreeCheck {
  compare(location: Location, slots: readonly Slot[]): Promise<void>
  /** Returns how many locations a server, or a repair without one, has still to write: no damage. */
  end(): Promise<number>
}

/** What is damaged is mended and told of in parts: there may be millions of it. */
const partSize = 1000

export function treeCheck(
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
      // That a disk is away which is carried about is no reason not to tell of the others.
      if (directory === null) throw error
      isMending = false
      const detail = `It cannot be written: ${(error as Error).message}`
      tell({ kind: 'unknown-tree', where: directory, detail, repaired: false })
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
