import { extname } from 'node:path'
import type { AdmissionRules } from '../admission/admit.ts'
import type { MirrorConfig } from '../config/config.ts'
import { type LastingThread, startLastingThread } from '../durable/lasting-thread.ts'
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

/** Starts the thread that runs all mirrors; should it die of a fault, `onCrash` hears of it and a new one goes on. */
export function startMirrors(
  data: MirrorsThreadData,
  { onCrash, onNews }: { onCrash(error: Error): void; onNews(news: MirrorNews): void },
): Pick<LastingThread, 'close'> {
  const file = new URL(`./worker${extname(import.meta.filename)}`, import.meta.url)
  return startLastingThread(file, data, { onMessage: onNews, onCrash })
}
