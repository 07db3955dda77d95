import { setTimeout as wait } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import type { Position } from '../storage/storage.ts'
import { clearStaging, ForeignTree, project } from './projector.ts'
import type { ProjectorMessage } from './thread.ts'
import { treeLease, treeOf } from './tree.ts'

/** The projector thread: of all processes on a data folder, the one that holds the lease writes the tree. */
const port = parentPort as MessagePort
const { dataFolder } = workerData as { dataFolder: string }
const storage = openSqlite({ dataFolder })
const tree = treeOf(dataFolder)

/** How soon a commit of another process is noticed; those of this one are told. */
const pollMilliseconds = 100
/** How soon the lease of a projector that ended is taken over. */
const leaseMilliseconds = 500
/** How often directories that were set aside are tried again. */
const retryMilliseconds = 30_000
const longestStuckMilliseconds = 10_000

let stopped = false
let onMessage = (_message: 'stop' | 'news') => {}
port.on('message', (message: 'stop' | 'news') => {
  if (message === 'stop') stopped = true
  onMessage(message)
})

/** Ends early where the thread is to stop, and with `orNews` where a commit was made. */
async function pause(milliseconds: number, { orNews = false } = {}): Promise<void> {
  const controller = new AbortController()
  onMessage = (message) => {
    if (message === 'stop' || orNews) controller.abort()
  }
  if (!stopped) await wait(milliseconds, undefined, { signal: controller.signal }).catch(() => {})
}

const tell = (message: ProjectorMessage) => port.postMessage(message)

const events = {
  onPosition: ({ seq }: Position) => tell({ kind: 'position', seq }),
  onSetAside: (location: Location, error: Error) =>
    tell({ kind: 'set-aside', path: formatLocation(location), error: error.message }),
}

/** Keeps the tree at the head of the log. Returns when it is to stop, or the tree is of another database. */
async function holdingLease(): Promise<void> {
  await clearStaging(tree)
  let due = true
  let known = false
  let triedAt = Number.NEGATIVE_INFINITY
  let stuckMilliseconds = leaseMilliseconds
  while (!stopped) {
    const retry = performance.now() >= triedAt + retryMilliseconds
    due = storage.news() || due
    if (due || retry) {
      if (retry) triedAt = performance.now()
      try {
        await project(storage, tree, events, { retry, known, stopped: () => stopped })
        known = true
        due = false
        stuckMilliseconds = leaseMilliseconds
      } catch (error) {
        tell({ kind: 'stuck', error: (error as Error).message })
        if (error instanceof ForeignTree) return
        due = true
        await pause(stuckMilliseconds)
        stuckMilliseconds = Math.min(stuckMilliseconds * 2, longestStuckMilliseconds)
        continue
      }
    }
    await pause(pollMilliseconds, { orNews: true })
  }
}

while (!stopped) {
  const lease = await storage.lease(treeLease)
  if (lease) await holdingLease().finally(lease.release)
  // Whoever adopts a foreign tree needs the lease meanwhile.
  await pause(leaseMilliseconds)
}
await storage.close()
port.close()
