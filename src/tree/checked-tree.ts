import { join } from 'node:path'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import type { BacklogEntry, Storage } from '../storage/storage.ts'
import { readPosition } from './position.ts'
import { askForWriting, publishedBacklog, publishedTree, publishLease, stillToWrite } from './published.ts'
import { type Tree, treeLease } from './tree.ts'

/** A tree that is to be what the database says: that of the data folder, or a published one. */
export interface CheckedTree {
  tree: Tree
  /** Where it is published; null: it is that of the data folder. */
  directory: string | null
  /** Who has it writes the tree. */
  lease: string
  /** The database, with the backlog that the holder of the lease keeps. */
  storage: Storage
  /** Asks whoever holds the lease to write these again; returns those that were asked for, as not all may be. */
  ask(locations: readonly Location[]): Promise<readonly Location[]>
  /** What the holder has still to write, beside what has changed since the position of the tree. */
  left(): Promise<BacklogEntry[]>
}

export function ownTree(storage: Storage, tree: Tree): CheckedTree {
  return {
    tree,
    directory: null,
    lease: treeLease,
    storage,
    async ask(locations) {
      for (const location of locations) await storage.addToBacklog(location, null)
      return locations
    },
    left: () => storage.backlog(),
  }
}

/** As a person is told of a path in it. */
export function nameIn({ directory }: CheckedTree, path: string): string {
  return directory === null ? path : join(directory, path)
}

export function publishedCopy(storage: Storage, directory: string): CheckedTree {
  return {
    tree: publishedTree(directory),
    directory,
    lease: publishLease(directory),
    storage: { ...storage, ...publishedBacklog(directory) },
    ask: (locations) => askForWriting(directory, locations),
    left: () => stillToWrite(directory),
  }
}

/** Whether a location has still to be written: then it is no damage that it is not there. */
export async function isPending({ tree, storage, left }: CheckedTree, location: Location): Promise<boolean> {
  const key = formatLocation(location)
  if ((await left()).some((entry) => entry.error === null && formatLocation(entry.location) === key))
    return true
  return (await storage.versionOf(location)) > ((await readPosition(tree))?.version ?? 0)
}
