import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readRegularFile } from '../durable/regular-file.ts'
import { formatLocation, formatSlotPath, type Location } from '../reference/tree-path.ts'
import type { DatabaseDamage } from '../storage/check.ts'
import type { Slot } from '../storage/storage.ts'
import { type CheckedTree, isPending, nameIn } from './checked-tree.ts'
import { directoryOf, linkTo } from './tree.ts'
import { type Found, walk } from './walk.ts'

export type DamageKind =
  | DatabaseDamage
  | 'hole'
  | 'missing-file'
  | 'different-file'
  | 'unknown-file'
  | 'unknown-tree'

export interface Damage {
  kind: DamageKind
  /** A path of the tree, a whole one of what is published, or what of the database. */
  where: string
  detail: string
  repaired: boolean
}

export interface Damaged {
  location: Location
  damage: Damage[]
}

/** What is wrong with a tree, by location, and with files that can be of none. */
export interface Differences {
  /** Locations by their paths. */
  locations: Map<string, Damaged>
  others: { path: string; damage: Damage }[]
  /** Locations that have still to be written: no damage. */
  pending: number
}

export function noDifferences(): Differences {
  return { locations: new Map(), others: [], pending: 0 }
}

export function damageOf({ locations, others }: Differences): Damage[] {
  return [...[...locations.values()].flatMap(({ damage }) => damage), ...others.map(({ damage }) => damage)]
}

/** What must be in a file, without its bytes: those in the database may be damaged themselves. */
export type HeldSlot = Pick<Slot, 'slot' | 'sha256'>

/** Compares each file of a location with its slot, byte by byte. */
export async function compareLocation(
  checked: CheckedTree,
  location: Location,
  slots: readonly HeldSlot[],
  differences: Differences,
): Promise<void> {
  const damage: Damage[] = []
  const add = (kind: DamageKind, slot: number, detail: string) =>
    damage.push({ kind, where: nameIn(checked, formatSlotPath(location, slot)), detail, repaired: false })
  const isElsewhere = linkTo(checked.tree, location) !== null
  for (const { slot, sha256 } of slots) {
    const content = isElsewhere
      ? 'missing'
      : read(join(directoryOf(checked.tree, location), `signature-${slot}`))
    if (content === 'missing') add('missing-file', slot, 'The tree lacks it')
    else if (content === null) add('different-file', slot, 'It is no file that can be read')
    else if (hash(content) !== sha256)
      add('different-file', slot, 'The tree has other bytes than the database')
  }
  if (!damage.length) return
  const hasChanged = contentOf(await checked.storage.slotHashes(location)) !== contentOf(slots)
  if (hasChanged || (await isPending(checked, location))) differences.pending++
  else differences.locations.set(formatLocation(location), { location, damage })
}

function contentOf(slots: readonly HeldSlot[]): string {
  return slots.map(({ slot, sha256 }) => `${slot} ${sha256}`).join('\n')
}

/** Every new ext file system has it at its root. */
const ofFileSystem = /^lost\+found(?:\/|$)/

/** Files that no slot explains. A file is looked for in the database after it was seen: commits come before files. */
export async function findUnknown(
  checked: CheckedTree,
  differences: Differences,
  onFound: () => Promise<void>,
): Promise<void> {
  const { tree, storage } = checked
  let key = ''
  let taken = new Set<number>()
  for await (const { path, slot, error } of walk(tree.root)) {
    if (ofFileSystem.test(path)) continue
    if (slot) {
      if (formatLocation(slot.location) !== key || !taken.has(slot.slot)) {
        key = formatLocation(slot.location)
        taken = new Set((await storage.slotHashes(slot.location)).map((held) => held.slot))
      }
      if (taken.has(slot.slot)) continue
      // What was withdrawn goes a moment later.
      if (await isPending(checked, slot.location)) continue
      if (read(join(tree.root, path)) === 'missing') continue
    }
    const detail = error ?? 'The database does not know it'
    const damage: Damage = { kind: 'unknown-file', where: nameIn(checked, path), detail, repaired: false }
    addUnknown({ path, slot }, damage, differences)
    await onFound()
  }
}

/** Where a slot could be, a server may write one at any moment: whoever writes there looks after the rest of it too. */
function addUnknown({ path, slot }: Found, damage: Damage, { locations, others }: Differences): void {
  if (!slot) return void others.push({ path, damage })
  const key = formatLocation(slot.location)
  const entry = locations.get(key) ?? { location: slot.location, damage: [] }
  entry.damage.push(damage)
  locations.set(key, entry)
}

/** Null for what is no file or cannot be read, by its owner or by the disk. */
function read(file: string): Uint8Array | null | 'missing' {
  try {
    return readRegularFile(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : null
  }
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
