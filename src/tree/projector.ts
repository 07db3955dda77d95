import type { Location } from '../reference/tree-path.ts'
import { chainStart } from '../storage/chain.ts'
import type { Storage } from '../storage/storage.ts'
import { layLocation } from './lay.ts'
import type { TreePosition } from './position.ts'
import type { Writer } from './writer.ts'

export type ProjectorStorage = Pick<
  Storage,
  'slots' | 'holds' | 'changedSince' | 'version' | 'position' | 'backlog' | 'addToBacklog' | 'settleBacklog'
>

export interface ProjectorEvents {
  /** The tree is written up to here. */
  onPosition(position: TreePosition): void
  /** A directory could not be written; it is set aside and tried again later, the others go on. */
  onSetAside(location: Location, error: Error): void
}

const locationsPerBatch = 512

/** Directories written at once: the syncs of their files share the file system's commits. */
const concurrency = 16

/** The position of a tree that holds nothing of the log yet. */
export const beginning: TreePosition = { seq: 0, hash: chainStart, version: 0 }

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
  writer: Writer,
  events: ProjectorEvents,
  { retry, known = false, stopped }: ProjectOptions,
): Promise<void> {
  let position = await ownPosition(storage, writer, known)
  await layBacklog(storage, writer, events, retry)
  while (!stopped()) {
    const { locations, version, head } = await storage.changedSince(position.version, locationsPerBatch)
    const isAll = locations.length < locationsPerBatch
    if (isAll && version === position.version && head.seq === position.seq) return
    await layAll(storage, writer, locations, events)
    if (!(await writer.position())) throw new Error('The tree was removed; all of it is written again')
    // The log is reached only with all that it has changed.
    const { seq, hash } = isAll ? head : position
    position = { seq, hash, version }
    await writer.setPosition(position)
    events.onPosition(position)
    // What was committed meanwhile is for the next call, with all that comes until then.
    if (isAll) return
  }
}

/** Where the tree stands in this log. Of another one, nothing is touched. */
async function ownPosition(storage: ProjectorStorage, writer: Writer, known: boolean): Promise<TreePosition> {
  const found = await writer.position()
  if (!(known && found === null) && (await isForeign(storage, writer)))
    throw new ForeignTree('The tree is of another database than this one')
  await writer.begin()
  // A copy of the database that is older by changes without a row in the log.
  if (found) return found.version > (await storage.version()) ? { ...found, version: 0 } : found
  // From now on the tree says whose it is, and what it holds after a crash is known to be of this log.
  await writer.setPosition(beginning)
  return beginning
}

/** Whether the tree holds, or may hold, what this database does not know. */
export async function isForeign(storage: Pick<Storage, 'position'>, writer: Writer): Promise<boolean> {
  const position = await writer.position()
  if (position) return (await storage.position(position.seq))?.hash !== position.hash
  return !(await writer.isEmpty())
}

async function layBacklog(
  storage: ProjectorStorage,
  writer: Writer,
  events: ProjectorEvents,
  retry: boolean,
): Promise<void> {
  const due = (await storage.backlog()).filter(({ error }) => retry || error === null)
  await layAll(
    storage,
    writer,
    due.map(({ location }) => location),
    events,
    (location) => storage.settleBacklog(location),
  )
}

async function layAll(
  storage: ProjectorStorage,
  writer: Writer,
  locations: Location[],
  { onSetAside }: ProjectorEvents,
  onLaid: (location: Location) => Promise<void> = async () => {},
): Promise<void> {
  const queue = locations.values()
  const laid: Location[] = []
  const work = async () => {
    for (const location of queue) {
      try {
        await layLocation(storage, writer, location)
      } catch (error) {
        if (diskErrors.has((error as NodeJS.ErrnoException).code ?? '')) throw error
        await storage.addToBacklog(location, (error as Error).message)
        onSetAside(location, error as Error)
        continue
      }
      laid.push(location)
    }
  }
  // All have ended when this throws: none may still write after the lease is given back.
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  await writer.sync()
  for (const location of laid) await onLaid(location)
}
