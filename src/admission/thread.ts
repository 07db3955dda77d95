import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Refusal, type RefusalCode } from '../refusal.ts'
import type { TrustSettings } from '../trust/operator.ts'
import type { AdmissionRules, Admit, Admitted, Upload } from './admit.ts'
import type { AskGate, GateAnswer, GateQuestion } from './gates.ts'
import type { Withdrawals } from './withdraw.ts'

export interface AdmissionThreadData {
  dataFolder: string
  rules: AdmissionRules
  trust: TrustSettings
  /** How long what was moved to a lower slot stays where it was. */
  graceSeconds: number
}

/** What the thread has to say besides answers, for the log: such as that a policy cannot be used as it is now. */
export interface AdmissionNews {
  level: 'info' | 'warn' | 'error'
  news: string
  about: Record<string, string>
}

/** What can be asked of the thread; `order` is of the withdrawals. */
export type AdmissionWork =
  | { kind: 'admit'; upload: Upload }
  | { kind: 'ask'; question: GateQuestion }
  | {
      [Verb in keyof Withdrawals]: { kind: Verb; order: Parameters<Withdrawals[Verb]>[0] }
    }[keyof Withdrawals]

export type AdmissionRequest = (AdmissionWork & { number: number }) | { kind: 'close' }

export type AdmissionResult = Admitted | GateAnswer | Awaited<ReturnType<Withdrawals[keyof Withdrawals]>>

export type AdmissionAnswer = { number: number } & (
  | { result: AdmissionResult }
  | { refused: { code: RefusalCode; detail: string } }
  | { failed: string }
)

/** The most bytes of uploads that wait for the admission thread; what would go beyond is refused as `busy`. */
const maxWaitingBytes = 64 * 1024 * 1024

/** After a crash. */
const restartMilliseconds = 1000

/** What a request weighs besides the bytes of an upload. */
const requestOverhead = 1024

export interface AdmissionThread {
  /** @throws Refusal every refusal of admission, and busy */
  admit: Admit
  /** @throws Refusal every refusal of a gate, and busy */
  ask: AskGate
  /** @throws Refusal every refusal of them, and busy */
  withdrawals: Withdrawals
  /** Finishes what is under way. */
  close(): Promise<void>
}

/**
 * Starts the admission thread. Should it die of a fault, what waited for it is refused as `busy`, `onCrash` hears of
 * it, and the next upload finds a new thread.
 */
export function startAdmission(
  data: AdmissionThreadData,
  { onCrash, onNews }: { onCrash(error: Error): void; onNews(news: AdmissionNews): void },
): AdmissionThread {
  const waiting = new Map<
    number,
    { resolve(result: AdmissionResult): void; reject(error: Error): void; weight: number }
  >()
  let weight = 0
  let counter = 0
  let worker: Worker | null = null
  let exited = Promise.resolve()
  let idle: (() => void) | null = null
  let closing = false
  let restart: NodeJS.Timeout | undefined

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
    thread.on('message', (answer: AdmissionAnswer | AdmissionNews) => {
      if ('news' in answer) return onNews(answer)
      const entry = settle(answer.number)
      if (!entry) return
      if ('result' in answer) entry.resolve(answer.result)
      else if ('refused' in answer) entry.reject(new Refusal(answer.refused.code, answer.refused.detail))
      else entry.reject(new Error(`Admission failed: ${answer.failed}`))
    })
    thread.on('error', (error) => {
      worker = null
      // Nobody need ask for something, for verdicts to follow their keys again.
      if (!closing) restart = setTimeout(() => (worker ??= start()), restartMilliseconds).unref()
      onCrash(error as Error)
      for (const number of [...waiting.keys()])
        settle(number)?.reject(new Refusal('busy', 'It was interrupted; try again', { cause: error }))
    })
    return thread
  }

  worker = start()

  const send = <Result extends AdmissionResult>(work: AdmissionWork) =>
    new Promise<Result>((resolve, reject) => {
      const size = (work.kind === 'admit' ? work.upload.bytes.length : 0) + requestOverhead
      if (weight + size > maxWaitingBytes)
        return reject(new Refusal('busy', 'Too much is waiting; try again in a second'))
      const number = ++counter
      weight += size
      waiting.set(number, { resolve: resolve as (result: AdmissionResult) => void, reject, weight: size })
      worker ??= start()
      worker.postMessage({ ...work, number } satisfies AdmissionRequest)
    })

  const questions = oneByOne(maxQuestions)

  return {
    admit: (upload) => send({ kind: 'admit', upload }),
    ask: (question) => questions.add(() => send({ kind: 'ask', question })),
    withdrawals: {
      withdraw: (order) => send({ kind: 'withdraw', order }),
      reinstate: (order) => send({ kind: 'reinstate', order }),
      ban: (order) => send({ kind: 'ban', order }),
      unban: (order) => send({ kind: 'unban', order }),
    },

    async close() {
      closing = true
      clearTimeout(restart)
      if (waiting.size > 0) await new Promise<void>((resolve) => (idle = resolve))
      worker?.postMessage({ kind: 'close' } satisfies AdmissionRequest)
      await exited
    },
  }
}

/** Anybody may ask, and each answer takes its time: an upload waits for one of them at most. */
const maxQuestions = 32

/** Runs one job at a time; what would make more than `max` wait is refused as `busy`. */
function oneByOne(max: number) {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  return {
    add<Result>(job: () => Promise<Result>): Promise<Result> {
      if (waiting >= max) throw new Refusal('busy', 'Too many questions are waiting; ask again in a second')
      waiting++
      const result = last.then(job)
      last = result.catch(() => {}).finally(() => waiting--)
      return result
    },
  }
}
