import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Refusal, type RefusalCode } from '../refusal.ts'
import type { AdmissionRules, Admit, Admitted, Upload } from './admit.ts'

export interface AdmissionThreadData {
  dataFolder: string
  rules: AdmissionRules
  /** The file of the policy, if there is one. */
  policy?: string
}

/** What the thread has to say besides answers: the policy cannot be used as it is now, and the last good one stays. */
export interface AdmissionAlarm {
  alarm: string
}

export type AdmissionRequest = { kind: 'admit'; number: number; upload: Upload } | { kind: 'close' }

export type AdmissionAnswer = { number: number } & (
  | { admitted: Admitted }
  | { refused: { code: RefusalCode; detail: string } }
  | { failed: string }
)

/** The most bytes of uploads that wait for the admission thread; what would go beyond is refused as `busy`. */
const maxWaitingBytes = 64 * 1024 * 1024

/** What one upload weighs besides its bytes. */
const uploadOverhead = 1024

export interface AdmissionThread {
  /** @throws Refusal every refusal of admission, and busy */
  admit: Admit
  /** Finishes what is under way. */
  close(): Promise<void>
}

/**
 * Starts the admission thread. Should it die of a fault, what waited for it is refused as `busy`, `onCrash` hears of
 * it, and the next upload finds a new thread.
 */
export function startAdmission(
  data: AdmissionThreadData,
  { onCrash, onAlarm }: { onCrash(error: Error): void; onAlarm(problem: string): void },
): AdmissionThread {
  const waiting = new Map<
    number,
    { resolve(admitted: Admitted): void; reject(error: Error): void; weight: number }
  >()
  let weight = 0
  let counter = 0
  let worker: Worker | null = null
  let exited = Promise.resolve()
  let idle: (() => void) | null = null

  const settle = (number: number) => {
    const entry = waiting.get(number)
    waiting.delete(number)
    weight -= entry?.weight ?? 0
    if (waiting.size === 0) idle?.()
    return entry
  }

  const start = (): Worker => {
    const thread = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: data,
    })
    exited = new Promise((resolve) => thread.once('exit', () => resolve()))
    thread.on('message', (answer: AdmissionAnswer | AdmissionAlarm) => {
      if ('alarm' in answer) return onAlarm(answer.alarm)
      const entry = settle(answer.number)
      if (!entry) return
      if ('admitted' in answer) entry.resolve(answer.admitted)
      else if ('refused' in answer) entry.reject(new Refusal(answer.refused.code, answer.refused.detail))
      else entry.reject(new Error(`Admission failed: ${answer.failed}`))
    })
    thread.on('error', (error) => {
      worker = null
      onCrash(error as Error)
      for (const number of [...waiting.keys()])
        settle(number)?.reject(new Refusal('busy', 'The upload was interrupted; try again', { cause: error }))
    })
    return thread
  }

  worker = start()

  return {
    admit: (upload: Upload) =>
      new Promise((resolve, reject) => {
        const size = upload.bytes.length + uploadOverhead
        if (weight + size > maxWaitingBytes)
          return reject(new Refusal('busy', 'Too many uploads are waiting; try again in a second'))
        const number = ++counter
        weight += size
        waiting.set(number, { resolve, reject, weight: size })
        worker ??= start()
        worker.postMessage({ kind: 'admit', number, upload } satisfies AdmissionRequest)
      }),

    async close() {
      if (waiting.size > 0) await new Promise<void>((resolve) => (idle = resolve))
      worker?.postMessage({ kind: 'close' } satisfies AdmissionRequest)
      await exited
    },
  }
}
