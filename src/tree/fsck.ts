import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { readRegularFile } from '../durable/regular-file.ts'
import { formatLocation, formatSlotPath, type Location } from '../reference/tree-path.ts'
import { checkDatabase, type DatabaseDamage } from '../storage/check.ts'
import type { Reading, Storage } from '../storage/storage.ts'
import { folderWriter, removeEmptyFolders, rescue } from './folder-writer.ts'
import { layLocation } from './lay.ts'
import { readPosition } from './position.ts'
import { project } from './projector.ts'
import { directoryOf, type Tree, treeLease } from './tree.ts'
import { type Found, walk } from './walk.ts'

export type DamageKind = DatabaseDamage | 'hole' | 'missing-file' | 'different-file' | 'unknown-file'

export interface Damage {
  kind: DamageKind
  /** A path of the tree, or what of the database. */
  where: string
  detail: string
  repaired: boolean
}

export interface FsckReport {
  changes: number
  locations: number
  signatures: number
  /** Locations that a server, or a repair without one, has still to write: no damage. */
  pending: number
  damage: Damage[]
}

export interface FsckOptions {
  /** Rewrites the tree from the database, and moves what the database does not know to lost+found. */
  repair: boolean
  /** Without a tree (`tree.enabled: false`) only the database is checked. */
  tree: Tree | null
  /** Locations compared so far. */
  onProgress(done: number): void
}

const page = 500

/** How long a running server may take to rewrite what was asked of it. */
const repairMilliseconds = 60_000

/** Compares database and tree byte by byte, and the database with itself. A server may run meanwhile. */
export async function fsck(storage: Storage, { tree, repair, onProgress }: FsckOptions): Promise<FsckReport> {
  const report: FsckReport = { changes: 0, locations: 0, signatures: 0, pending: 0, damage: [] }
  const add: Add = (kind, where, detail) => report.damage.push({ kind, where, detail, repaired: false })

  const { whole, ...checked } = await checkDatabase(storage, add)
  Object.assign(report, checked)
  // What cannot be read through cannot be compared with anything, let alone written out.
  if (!whole) return report
  const broken = new Map<string, Location>()
  let after = 0
  for (;;) {
    const locations = await storage.locations(after, page)
    const last = locations.at(-1)
    if (!last) break
    after = last.id
    for (const { location } of locations) {
      const differences = await compare(storage, tree, location, add)
      if (differences === 'pending') report.pending++
      if (differences === 'differs') broken.set(formatLocation(location), location)
      report.locations++
    }
    onProgress(report.locations)
  }
  if (tree) {
    const unknown = await findUnknown(storage, tree, add)
    if (repair) await mend(storage, tree, broken, unknown, report)
  }
  return report
}

type Add = (kind: DamageKind, where: string, detail: string) => void

/** Of one location: the slots in the database without a hole, and each file as its slot. */
async function compare(
  storage: Reading & Pick<Storage, 'backlog'>,
  tree: Tree | null,
  location: Location,
  add: Add,
): Promise<'equal' | 'differs' | 'pending'> {
  const slots = await storage.slots(location)
  const found: [DamageKind, string, string][] = []
  for (const [index, { slot, sha256 }] of slots.entries()) {
    const where = formatSlotPath(location, slot)
    if (slot !== index + 1) add('hole', where, `Slot ${index + 1} is empty, which hides it`)
    if (!tree) continue
    const content = await read(join(directoryOf(tree, location), `signature-${slot}`))
    if (content === 'missing') found.push(['missing-file', where, 'The tree lacks it'])
    else if (content === null) found.push(['different-file', where, 'It is no file that can be read'])
    else if (hash(content) !== sha256)
      found.push(['different-file', where, 'The tree has other bytes than the database'])
  }
  if (!found.length) return 'equal'
  if (tree && (await isPending(storage, tree, location))) return 'pending'
  for (const damage of found) add(...damage)
  return 'differs'
}

/** Whether the projector has still to come to a location. */
async function isPending(
  storage: Reading & Pick<Storage, 'backlog'>,
  tree: Tree,
  location: Location,
): Promise<boolean> {
  const key = formatLocation(location)
  if (
    (await storage.backlog()).some((entry) => entry.error === null && formatLocation(entry.location) === key)
  )
    return true
  for (let since = (await readPosition(tree))?.version ?? 0; ; ) {
    const { locations, version } = await storage.changedSince(since, page)
    if (locations.some((changed) => formatLocation(changed) === key)) return true
    if (!locations.length) return false
    since = version
  }
}

/** Files that no slot explains. A file is looked for in the database after it was seen: commits come before files. */
async function findUnknown(
  storage: Reading & Pick<Storage, 'backlog'>,
  tree: Tree,
  add: Add,
): Promise<Found[]> {
  const unknown: Found[] = []
  let key = ''
  let taken = new Set<number>()
  for await (const found of walk(tree.root)) {
    const { path, slot, error } = found
    if (slot) {
      if (formatLocation(slot.location) !== key || !taken.has(slot.slot)) {
        key = formatLocation(slot.location)
        taken = new Set((await storage.slots(slot.location)).map((held) => held.slot))
      }
      if (taken.has(slot.slot)) continue
      // What was withdrawn goes a moment later.
      if (await isPending(storage, tree, slot.location)) continue
      if ((await read(join(tree.root, path))) === 'missing') continue
    }
    add('unknown-file', path, error ?? 'The database does not know it')
    unknown.push(found)
  }
  return unknown
}

/** Writes the tree itself where no server does, else has the server write it. */
async function mend(
  storage: Storage,
  tree: Tree,
  broken: Map<string, Location>,
  unknown: Found[],
  report: FsckReport,
): Promise<void> {
  const repaired = (where: (path: string) => boolean) => {
    for (const damage of report.damage)
      if (damage.kind.endsWith('-file') && where(damage.where)) damage.repaired = true
  }
  for (const { path, slot } of unknown) {
    // Where a slot could be, a server may write one at any moment: whoever writes there looks after the rest of it too.
    if (slot) broken.set(formatLocation(slot.location), slot.location)
    else if (await moveAway(tree, path)) repaired((where) => where === path)
  }
  const writer = folderWriter(tree)
  const lease = await storage.lease(treeLease)
  try {
    if (lease) await writer.begin()
    for (const location of broken.values()) {
      if (lease) await layLocation(storage, writer, location)
      else await storage.addToBacklog(location, null)
    }
    if (lease) {
      // What no server has come to write yet.
      const events = { onPosition: () => {}, onSetAside: () => {} }
      await project(storage, writer, events, { retry: true, stopped: () => false })
      report.pending = (await storage.backlog()).length
    }
  } finally {
    lease?.release()
  }
  const asked = [...broken.values()]
  const written = lease ? asked : await writtenByServer(storage, asked)
  const keys = new Set(written.map(formatLocation))
  repaired((where) => keys.has(dirname(where)))
}

/** False for what cannot be moved, such as a folder of another user: it stays, and is told of each time. */
async function moveAway(tree: Tree, path: string): Promise<boolean> {
  try {
    await rescue(tree, join(tree.root, path))
  } catch {
    return false
  }
  await removeEmptyFolders(dirname(join(tree.root, path)), tree.root)
  return true
}

/** Waits for the server that holds the lease; returns the locations that it wrote. */
async function writtenByServer(storage: Storage, asked: Location[]): Promise<Location[]> {
  const deadline = Date.now() + repairMilliseconds
  for (;;) {
    const left = new Set((await storage.backlog()).map(({ location }) => formatLocation(location)))
    const done = asked.filter((location) => !left.has(formatLocation(location)))
    if (done.length === asked.length || Date.now() > deadline) return done
    await wait(100)
  }
}

async function read(file: string): Promise<Uint8Array | null | 'missing'> {
  try {
    return await readRegularFile(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing'
    if (code === 'EACCES') return null
    throw error
  }
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
