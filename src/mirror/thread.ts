import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AdmissionRules } from '../admission/admit.ts'
import type { MirrorConfig } from '../config/config.ts'
import type { TrustSettings } from '../trust/operator.ts'
import type { MirrorNews } from './news.ts'

export interface MirrorsThreadData {
  dataFolder: string
  rules: AdmissionRules
  /** Of the operator: its keys say what stored signatures are worth, and nothing of what a mirror may bring. */
  trust: TrustSettings
  mirrors: readonly MirrorConfig[]
  graceSeconds: number
  userAgent: string
}

export interface MirrorsThread {
  /** Finishes what is under way. */
  close(): Promise<void>
}

const restartMilliseconds = 1000

/** Starts the thread that runs all mirrors; should it die of a fault, `onCrash` hears of it and a new one goes on. */
export function startMirrors(
  data: MirrorsThreadData,
  { onCrash, onNews }: { onCrash(error: Error): void; onNews(news: MirrorNews): void },
): MirrorsThread {
  let closing = false
  let exited = Promise.resolve()
  const start = (): Worker => {
    const thread = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: data,
    })
    exited = new Promise((resolve) => thread.once('exit', () => resolve()))
    thread.on('message', onNews)
    thread.on('error', (error) => {
      onCrash(error as Error)
      setTimeout(() => {
        if (!closing) worker = start()
      }, restartMilliseconds).unref()
    })
    return thread
  }
  let worker = start()
  return {
    async close() {
      closing = true
      worker.postMessage('stop')
      await exited
    },
  }
}
