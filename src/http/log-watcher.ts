import type { Socket } from 'node:net'
import type { Reading } from '../storage/storage.ts'

/** How long after a commit, of whatever process, those who wait for it may hear of it. */
const lookMilliseconds = 25

/** Each costs a connection and some memory, and anybody may wait. */
const maxWaiting = 256

export interface LogWatcher {
  /**
   * Resolves when the log has a change after `seq`, when the time is over, when the client has gone, or when the watcher
   * stops. Where too many wait, it resolves at once.
   */
  changed(seq: number, milliseconds: number, client: Socket): Promise<void>
  /** Lets all who wait go, and nobody wait any more. */
  stop(): void
}

interface Waiter {
  seq: number
  until: number
  client: Socket
  go(): void
}

/** One look at the log serves all who wait for it. */
export function logWatcher(storage: Pick<Reading, 'head'>): LogWatcher {
  const waiting = new Set<Waiter>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const release = (isDone: (waiter: Waiter) => boolean) => {
    for (const waiter of waiting)
      if (isDone(waiter)) {
        waiting.delete(waiter)
        waiter.go()
      }
  }

  const look = async () => {
    // Who asks a database that cannot answer is told so by it.
    const head = await storage.head().catch(() => ({ seq: Number.POSITIVE_INFINITY }))
    const now = performance.now()
    release(({ seq, until, client }) => seq < head.seq || until <= now || client.destroyed)
    timer = waiting.size ? setTimeout(look, lookMilliseconds) : undefined
  }

  return {
    async changed(seq, milliseconds, client) {
      if (stopped || waiting.size >= maxWaiting) return
      timer ??= setTimeout(look, lookMilliseconds)
      await new Promise<void>((go) => {
        waiting.add({ seq, until: performance.now() + milliseconds, client, go })
      })
    },

    stop() {
      stopped = true
      clearTimeout(timer)
      release(() => true)
    },
  }
}
