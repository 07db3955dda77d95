import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../durable/durable.ts'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import { chainStart } from '../storage/chain.ts'
import type { Position, Storage } from '../storage/storage.ts'
import { layLocation } from './lay.ts'
import { readPosition, writePosition } from './position.ts'
import type { Tree } from './tree.ts'

export type ProjectorStorage = Pick<
  Storage,
  'slots' | 'holds' | 'touchedAfter' | 'position' | 'head' | 'backlog' | 'addToBacklog' | 'settleBacklog'
>

export interface ProjectorEvents {
  /** The tree is written up to here. */
  onPosition(position: Position): void
  /** A directory could not be written; it is set aside and tried again later, the others go on. */
  onSetAside(location: Location, error: Error): void
}

const changesPerBatch = 512

/** Directories written at once: their syncs share the file system's commits. */
const concurrency = 16

/** The position of a tree that holds nothing of the log yet. */
export const beginning: Position = { seq: 0, hash: chainStart }

/** What is wrong with the disk rather than with one directory: nothing can be written until it is mended. */
const diskErrors = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM'])

/** The tree belongs to another log than this database: what lies in it must be adopted before it is written over. */
export class ForeignTree extends Error {
  override readonly name = 'ForeignTree'
}

export interface ProjectOptions {
  /** Directories that were set aside are tried again. */
  retry: boolean
  /** The caller has had this tree under its lease before: where its position is gone, somebody removed the tree. */
  known?: boolean
  stopped(): boolean
}

/**
 * Brings the tree to the head of the log. The caller holds the lease of the tree. Where it stopped, it goes on:
 * writing a directory again changes nothing, and the position moves only when everything before it is on disk.
 * @throws ForeignTree, and errors of the disk, after which it may be called again
 */
export async function project(
  storage: ProjectorStorage,
  tree: Tree,
  events: ProjectorEvents,
  { retry, known = false, stopped }: ProjectOptions,
): Promise<void> {
  await makeFolder(tree.root)
  await makeFolder(tree.staging)
  let position = await ownPosition(storage, tree, known)
  await layBacklog(storage, tree, events, retry)
  while (!stopped()) {
    const { locations, last } = await storage.touchedAfter(position.seq, changesPerBatch)
    if (last.seq === position.seq) return
    await layAll(storage, tree, unique(locations), events)
    if (!(await readPosition(tree))) throw new Error('The tree was removed; all of it is written again')
    await writePosition(tree, last)
    position = last
    events.onPosition(position)
  }
}

/** Where the tree stands in this log. */
async function ownPosition(storage: ProjectorStorage, tree: Tree, known: boolean): Promise<Position> {
  const found = await readPosition(tree)
  if (!(known && found === null) && (await isForeign(storage, tree, found)))
    throw new ForeignTree('The tree is of another database than this one')
  if (found) return found
  // From now on the tree says whose it is, and what it holds after a crash is known to be of this log.
  await writePosition(tree, beginning)
  return beginning
}

/** Whether the tree holds, or may hold, what this database does not know. */
export async function isForeign(
  storage: Pick<Storage, 'position'>,
  tree: Tree,
  position: Position | null,
): Promise<boolean> {
  if (position) return (await storage.position(position.seq))?.hash !== position.hash
  return (await readdir(tree.root).catch(() => [])).length > 0
}

/** Removes what an interrupted writer left behind. The caller holds the lease of the tree. */
export async function clearStaging(tree: Tree): Promise<void> {
  await makeFolder(tree.staging)
  for (const name of await readdir(tree.staging))
    await rm(join(tree.staging, name), { recursive: true, force: true })
}

async function layBacklog(
  storage: ProjectorStorage,
  tree: Tree,
  events: ProjectorEvents,
  retry: boolean,
): Promise<void> {
  const due = (await storage.backlog()).filter(({ error }) => retry || error === null)
  await layAll(
    storage,
    tree,
    due.map(({ location }) => location),
    events,
    (location) => storage.settleBacklog(location),
  )
}

async function layAll(
  storage: ProjectorStorage,
  tree: Tree,
  locations: Location[],
  { onSetAside }: ProjectorEvents,
  onLaid: (location: Location) => Promise<void> = async () => {},
): Promise<void> {
  const queue = locations.values()
  const work = async () => {
    for (const location of queue) {
      try {
        await layLocation(storage, tree, location)
      } catch (error) {
        if (diskErrors.has((error as NodeJS.ErrnoException).code ?? '')) throw error
        await storage.addToBacklog(location, (error as Error).message)
        onSetAside(location, error as Error)
        continue
      }
      await onLaid(location)
    }
  }
  // All have ended when this throws: none may still write after the lease is given back.
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

function unique(locations: Location[]): Location[] {
  return [...new Map(locations.map((location) => [formatLocation(location), location])).values()]
}
