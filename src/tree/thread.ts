import { extname } from 'node:path'
import { startLastingThread } from '../durable/lasting-thread.ts'

/** `tree`: the absolute path of the one that it is about. */
export type ProjectorMessage = { tree: string } & (
  | { kind: 'position'; seq: number }
  | { kind: 'set-aside'; path: string; error: string }
  | { kind: 'stuck'; error: string }
  /** It holds what is not of this log, and is left alone. */
  | { kind: 'foreign' }
)

export interface ProjectorSettings {
  dataFolder: string
  /** Whether the tree of the data folder is written. */
  tree: boolean
  /** Absolute paths of directories that are copies of it. */
  publish: readonly string[]
}

/** What one thread writes: the tree of the data folder, or with `directory` a copy of it. */
export interface ProjectorThreadData {
  dataFolder: string
  directory: string | null
}

/** It is said that there was a commit at most so often; the thread looks as often by itself. */
const nudgeMilliseconds = 100

export interface ProjectorThread {
  /** Says that a commit was just made; it would be noticed anyway, a moment later. */
  nudge(): void
  /** Writes what was committed before, as far as that is done within seconds. */
  close(): Promise<void>
}

/**
 * Starts a projector thread for each tree: a file system that hangs holds up no other one. Should one die of a fault,
 * `onCrash` hears of it and a new one goes on.
 */
export function startProjector(
  { dataFolder, tree, publish }: ProjectorSettings,
  onMessage: (message: ProjectorMessage) => void,
  onCrash: (error: Error) => void,
): ProjectorThread {
  const file = new URL(`./worker${extname(import.meta.filename)}`, import.meta.url)
  const threads = [...(tree ? [null] : []), ...publish].map((directory) => {
    const data: ProjectorThreadData = { dataFolder, directory }
    return startLastingThread(file, data, { onMessage, onCrash })
  })
  let nudged = Number.NEGATIVE_INFINITY
  const nudge = () => {
    const now = performance.now()
    if (now < nudged + nudgeMilliseconds) return
    nudged = now
    for (const { post } of threads) post('news')
  }
  return { nudge, close: async () => void (await Promise.all(threads.map(({ close }) => close()))) }
}
