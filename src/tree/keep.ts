import { setTimeout as wait } from 'node:timers/promises'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import type { Position, Storage } from '../storage/storage.ts'
import { folderWriter } from './folder-writer.ts'
import { ForeignTree, project } from './projector.ts'
import { publishedBacklog, publishedTree, publishLease } from './published.ts'
import type { ProjectorMessage } from './thread.ts'
import { treeLease, treeOf } from './tree.ts'

/** How soon a commit of another process is noticed; those of this one are told. */
const pollMilliseconds = 100
/** What is committed in this time after a batch goes in one: the tree has less to sync, and uploads more of the disk. */
const gatherMilliseconds = 100
/** How soon the lease of a projector that ended is taken over. */
const leaseMilliseconds = 500
/** How often directories that were set aside are tried again. */
const retryMilliseconds = 30_000
const longestStuckMilliseconds = 10_000
/** How long a thread that is to stop goes on with what was committed before. What is left then is done at the next start. */
const lastMilliseconds = 5000

/** What keeping a tree needs of the thread that it runs in. */
export interface Surroundings {
  /** For how long it has been told to stop, in milliseconds; null where it is to go on. */
  stopping(): number | null
  /** Ends early where the thread is to stop, and with `orNews` where a commit was made. */
  pause(milliseconds: number, options?: { orNews: boolean }): Promise<void>
  tell(message: ProjectorMessage): void
}

/**
 * Keeps a tree at the head of the log whenever this process holds its lease, until the thread is to stop: that of the
 * data folder, or with `directory` a published one, which is left alone while it holds what is not of this log. What was
 * committed before the stop gets into the tree, if it can soon: whoever reads it need not know that nobody serves.
 */
export async function keepTree(
  storage: Storage,
  { dataFolder, directory }: { dataFolder: string; directory: string | null },
  { stopping, pause, tell }: Surroundings,
): Promise<void> {
  const tree = directory === null ? treeOf(dataFolder) : publishedTree(directory)
  const writer = folderWriter(tree)
  const leaseName = directory === null ? treeLease : publishLease(directory)
  const events = {
    onPosition: ({ seq }: Position) => tell({ kind: 'position', tree: tree.root, seq }),
    onSetAside: (location: Location, error: Error) =>
      tell({ kind: 'set-aside', tree: tree.root, path: formatLocation(location), error: error.message }),
  }

  const isOver = () => (stopping() ?? 0) > lastMilliseconds
  let last: number | null = null

  /** Whether the thread is to stop, and the tree has all that was committed when it was told so, or may not wait for it. */
  async function mayStop(): Promise<boolean> {
    if (stopping() === null) return false
    if (isOver()) return true
    last ??= await storage.version()
    const position = await writer.position().catch(() => null)
    return position !== null && position.version >= last
  }

  /** Returns when the thread may stop, or the tree is of another database. */
  async function holdingLease(): Promise<'stopped' | 'foreign'> {
    const source = directory === null ? storage : { ...storage, ...publishedBacklog(directory) }
    let due = true
    let known = false
    let triedAt = Number.NEGATIVE_INFINITY
    let stuckMilliseconds = leaseMilliseconds
    while (!(await mayStop())) {
      const retry = performance.now() >= triedAt + retryMilliseconds
      due = storage.news() || due || stopping() !== null
      if (due || retry) {
        if (retry) triedAt = performance.now()
        try {
          await project(source, writer, events, { retry, known, stopped: isOver })
          known = true
          due = false
          stuckMilliseconds = leaseMilliseconds
        } catch (error) {
          if (error instanceof ForeignTree) return 'foreign'
          tell({ kind: 'stuck', tree: tree.root, error: (error as Error).message })
          if (stopping() !== null) break
          due = true
          await pause(stuckMilliseconds)
          stuckMilliseconds = Math.min(stuckMilliseconds * 2, longestStuckMilliseconds)
          continue
        }
        await pause(gatherMilliseconds)
      } else await pause(pollMilliseconds, { orNews: true })
    }
    return 'stopped'
  }

  let end: 'stopped' | 'foreign' = 'stopped'
  while (!(await mayStop())) {
    const lease = await storage.lease(leaseName)
    if (lease) {
      const before = end
      end = await holdingLease().finally(lease.release)
      if (end === 'foreign' && before !== 'foreign') tell({ kind: 'foreign', tree: tree.root })
      if (stopping() !== null) return
    }
    // Whoever adopts a foreign tree needs the lease meanwhile; whoever has it now may end before it has seen the last commit.
    if (stopping() === null) await pause(leaseMilliseconds)
    else await wait(pollMilliseconds)
  }
}
