import { setTimeout as wait } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { giveWay } from '../give-way.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { keepTree, type Surroundings } from './keep.ts'
import type { ProjectorThreadData } from './thread.ts'

/** A projector thread: of all processes on a data folder, the one that holds the lease of a tree writes it. */
const port = parentPort as MessagePort
const { dataFolder, directory } = workerData as ProjectorThreadData

let stoppedAt: number | null = null
const waiting = new Set<(message: 'stop' | 'news') => void>()
port.on('message', (message: 'stop' | 'news') => {
  if (message === 'stop') stoppedAt ??= performance.now()
  for (const hear of [...waiting]) hear(message)
})

const surroundings: Surroundings = {
  stopping: () => stoppedAt && performance.now() - stoppedAt,
  async pause(milliseconds, { orNews } = { orNews: false }) {
    if (stoppedAt !== null) return
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

giveWay('tree')
const storage = openSqlite({ dataFolder })
await keepTree(storage, { dataFolder, directory }, surroundings)
await storage.close()
port.close()
