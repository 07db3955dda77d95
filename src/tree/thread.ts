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

export interface ProjectorThread {
  /** Says that a commit was just made; it would be noticed anyway, a moment later. */
  nudge(): void
  /** Finishes the batch under way. */
  close(): Promise<void>
}

/** Starts the projector thread; should it die of a fault, `onCrash` hears of it and a new one goes on. */
export function startProjector(
  settings: ProjectorSettings,
  onMessage: (message: ProjectorMessage) => void,
  onCrash: (error: Error) => void,
): ProjectorThread {
  const file = new URL(`./worker${extname(import.meta.filename)}`, import.meta.url)
  const { post, close } = startLastingThread(file, settings, { onMessage, onCrash })
  return { nudge: () => post('news'), close }
}
