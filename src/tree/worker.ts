import { setTimeout as wait } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { keepTree, type Surroundings } from './keep.ts'
import type { ProjectorSettings } from './thread.ts'

/** The projector thread: of all processes on a data folder, the one that holds the lease of a tree writes it. */
const port = parentPort as MessagePort
const { dataFolder, tree, publish } = workerData as ProjectorSettings

let stopped = false
const waiting = new Set<(message: 'stop' | 'news') => void>()
port.on('message', (message: 'stop' | 'news') => {
  if (message === 'stop') stopped = true
  for (const hear of [...waiting]) hear(message)
})

const surroundings: Surroundings = {
  stopped: () => stopped,
  async pause(milliseconds, { orNews } = { orNews: false }) {
    if (stopped) return
    const controller = new AbortController()
    const hear = (message: 'stop' | 'news') => {
      if (message === 'stop' || orNews) controller.abort()
    }
    waiting.add(hear)
    await wait(milliseconds, undefined, { signal: controller.signal }).catch(() => {})
    waiting.delete(hear)
  },
  tell: (message) => port.postMessage(message),
}

const keep = async (directory: string | null) => {
  // A connection hears of news once.
  const storage = openSqlite({ dataFolder })
  await keepTree(storage, { dataFolder, directory }, surroundings)
  await storage.close()
}
await Promise.all([...(tree ? [null] : []), ...publish].map(keep))
port.close()
