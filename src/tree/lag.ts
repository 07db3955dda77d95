import { setTimeout as wait } from 'node:timers/promises'
import type { Reading } from '../storage/storage.ts'
import { readPosition } from './position.ts'
import type { Tree } from './tree.ts'

/** How far a tree is behind the log: 0 and 0 where it holds all of it. */
export interface TreeLag {
  changes: number
  /** How long ago the first change was made that it has not. */
  seconds: number
}

/** A tree that is not of this log holds nothing of it. `now` in Unix milliseconds. */
export async function treeLag(
  storage: Pick<Reading, 'head' | 'position' | 'changesAfter'>,
  tree: Tree,
  now: number,
): Promise<TreeLag> {
  const found = await readPosition(tree)
  const isOfThisLog = found && (found.seq === 0 || (await storage.position(found.seq))?.hash === found.hash)
  const reached = isOfThisLog ? found.seq : 0
  const { seq } = await storage.head()
  const [next] = await storage.changesAfter(reached, 1)
  if (!next) return { changes: 0, seconds: 0 }
  return { changes: seq - reached, seconds: Math.max(0, (now - next.time) / 1000) }
}

const deadlineMilliseconds = 1000

export interface NamedTree {
  /** `tree`, or the directory that a copy is published to. */
  name: string
  tree: Tree
}

/** Null where the tree cannot be looked at, or its file system does not answer: it is asked only once then. */
export type TreeLags = () => Promise<{ name: string; lag: TreeLag | null }[]>

export function treeLags(
  storage: Parameters<typeof treeLag>[0],
  trees: readonly NamedTree[],
  clock: () => number,
): TreeLags {
  const underWay = new Map<string, Promise<TreeLag | null>>()
  const lagOf = ({ name, tree }: NamedTree) => {
    const asked =
      underWay.get(name) ??
      treeLag(storage, tree, clock())
        .catch(() => null)
        .finally(() => underWay.delete(name))
    underWay.set(name, asked)
    return Promise.race([asked, wait(deadlineMilliseconds, null, { ref: false })])
  }
  return () => Promise.all(trees.map(async (named) => ({ name: named.name, lag: await lagOf(named) })))
}
