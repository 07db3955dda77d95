import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { basename } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { keepTree, type Surroundings } from './keep.ts'
import type { ProjectorThreadData } from './thread.ts'

/** A projector thread: of all processes on a data folder, the one that holds the lease of a tree writes it. */
const port = parentPort as MessagePort
const { dataFolder, directory } = workerData as ProjectorThreadData

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

/**
 * Readers and uploads come first where there is more to do than the machine can. Linux gives threads priorities of their
 * own (setpriority(2)); another system has no such file, and nothing is changed there.
 */
function giveWay(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {}
}

giveWay()
const storage = openSqlite({ dataFolder })
await keepTree(storage, { dataFolder, directory }, surroundings)
await storage.close()
port.close()
