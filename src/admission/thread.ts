import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { GateDemands } from '../policy/demands.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import type { AuditEntry, AuditTrail } from '../storage/audit.ts'
import type { TrustSettings } from '../trust/operator.ts'
import { inTurns } from '../turns.ts'
import type { AdmissionRules, Admit, Admitted, Upload } from './admit.ts'
import type { GateAnswer, GateQuestion, Gates } from './gates.ts'
import { measurePace } from './pace.ts'
import { oneByOne } from './questions.ts'
import { fairQueue } from './queue.ts'
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
  | { kind: 'demands'; gate: string }
  | { kind: 'record'; entries: readonly AuditEntry[] }
  | { kind: 'probe' }
  | {
      [Verb in keyof Withdrawals]: { kind: Verb; order: Parameters<Withdrawals[Verb]>[0] }
    }[keyof Withdrawals]

/** What comes in one turn of the event loop comes in one message, and so do the answers to what was committed together. */
export type AdmissionRequest = readonly (AdmissionWork & { number: number })[] | 'close'

export type AdmissionResult =
  | Admitted
  | GateAnswer
  | GateDemands
  | AdmissionHealth
  | Awaited<ReturnType<Withdrawals[keyof Withdrawals]>>

/** Of a thread that works, with a database that it can write. */
export interface AdmissionHealth {
  /** Policies, by their files, that cannot be used as they are: the last good ones are in force. */
  brokenPolicies: string[]
}

export type AdmissionAnswer = { number: number } & (
  | { result: AdmissionResult }
  | { refused: { code: RefusalCode; detail: string; about: Refusal['about'] } }
  | { failed: string }
)

export interface AdmissionLimits {
  /** What may wait for the thread; whoever has most waiting is refused what would go beyond. */
  waiting: { jobs: number; bytes: number }
  /**
   * What the thread may have at once: enough that a slow disk has much to do in each commit, and so little that an
   * upload of another principal need not wait long behind it.
   */
  underWay: { jobs: number; bytes: number }
}

const usualLimits: AdmissionLimits = {
  waiting: { jobs: 4096, bytes: 64 * 1024 * 1024 },
  underWay: { jobs: 128, bytes: 8 * 1024 * 1024 },
}

/** What may be asked of the thread besides uploads, and not be answered yet. */
const maxOrders = 1024

/** After a crash. */
const restartMilliseconds = 1000

/** A commit has many at once, and what becomes of each is a fifth of a millisecond of work. */
const answersPerTurn = 2

/** What a request weighs besides the bytes of an upload. */
const requestOverhead = 1024

export interface AdmissionThread {
  /** @throws Refusal every refusal of admission, and busy */
  admit: Admit
  /** @throws Refusal every refusal of a gate, and busy */
  gates: Gates
  /** @throws Refusal every refusal of them, and busy */
  withdrawals: Withdrawals
  /** Commits are made on the thread, those of the audit trail too. */
  record: AuditTrail['record']
  /** Commits something that means nothing. @throws Refusal disk-full, busy */
  probe(): Promise<AdmissionHealth>
  /** Uploads that wait for the thread, and that it has. */
  depth(): { waiting: number; underWay: number }
  /** Finishes what is under way. */
  close(): Promise<void>
}

/** Whoever waits for an answer of the thread. */
interface Asker {
  resolve(result: AdmissionResult): void
  reject(error: Error): void
  /** Of an upload; 0 for anything else. */
  weight: number
}

interface WaitingUpload extends Asker {
  principal: string
  upload: Upload
}

/**
 * Starts the admission thread. Uploads wait for it in a queue in which principals take turns; what the queue cannot hold
 * is refused as `busy`. Should the thread die of a fault, what it had under way is refused as `busy`, `onCrash` hears of
 * it, and the next upload finds a new thread. While none can be made, all is refused as `busy`.
 */
export function startAdmission(
  data: AdmissionThreadData,
  { onCrash, onNews }: { onCrash(error: Error): void; onNews(news: AdmissionNews): void },
  limits: AdmissionLimits = usualLimits,
): AdmissionThread {
  const queue = fairQueue<WaitingUpload>(limits.waiting)
  const pace = measurePace()
  const inTurn = inTurns(answersPerTurn)
  const underWay = new Map<number, Asker>()
  let uploads = 0
  let bytes = 0
  let counter = 0
  let worker: Worker | null = null
  let exited = Promise.resolve()
  let idle: (() => void) | null = null
  let closing = false
  let restart: NodeJS.Timeout | undefined
  /** Until `restart`, no thread can be made. */
  let barred = false
  let pumping = false

  const settle = (number: number) => {
    const asker = underWay.get(number)
    underWay.delete(number)
    if (asker?.weight) {
      uploads--
      bytes -= asker.weight
    }
    return asker
  }

  const tell = (asker: Asker, answer: AdmissionAnswer) => {
    if ('result' in answer) asker.resolve(answer.result)
    else if ('refused' in answer) asker.reject(refusalOf(answer.refused))
    else asker.reject(new Error(`Admission failed: ${answer.failed}`))
  }

  const start = () => {
    barred = false
    if (worker) return
    try {
      const file = new URL(`./worker${extname(import.meta.filename)}`, import.meta.url)
      const thread = new Worker(file, { workerData: data })
      exited = new Promise((resolve) => thread.once('exit', () => resolve()))
      thread.on('message', hear)
      thread.on('error', (error) => {
        lost(error as Error)
        pump()
      })
      worker = thread
    } catch (error) {
      // As where the process may have no more threads.
      barred = true
      lost(error as Error)
    }
  }

  const hear = (message: AdmissionAnswer[] | AdmissionNews) => {
    if ('news' in message) return onNews(message)
    const before = uploads
    for (const answer of message) {
      const asker = settle(answer.number)
      if (asker) inTurn(() => tell(asker, answer))
    }
    if (before > uploads) pace.answered(before - uploads)
    pump()
  }

  const lost = (error: Error) => {
    worker = null
    clearTimeout(restart)
    // Nobody need ask for something, for verdicts to follow their keys again.
    if (!closing) restart = setTimeout(start, restartMilliseconds).unref()
    onCrash(error)
    interrupt(error)
  }

  const interrupt = (cause?: Error) => {
    for (const number of [...underWay.keys()])
      settle(number)?.reject(new Refusal('busy', 'It was interrupted; try again', { cause }))
  }

  const post = (requests: (AdmissionWork & { number: number })[]) => {
    if (!barred) start()
    if (!worker) return interrupt()
    // Moved and not copied: what is left behind is memory until V8 looks.
    const moved = requests.flatMap((request) =>
      request.kind === 'admit' ? [request.upload.bytes.buffer as ArrayBuffer] : [],
    )
    worker.postMessage(requests satisfies AdmissionRequest, moved)
  }

  /** Hands uploads to the thread, as many as it may have. */
  const pump = () => {
    pumping = false
    if (uploads === 0) pace.begin()
    const requests: (AdmissionWork & { number: number })[] = []
    while (uploads < limits.underWay.jobs && bytes < limits.underWay.bytes) {
      const waiting = queue.next()
      if (!waiting) break
      const number = ++counter
      uploads++
      bytes += waiting.weight
      underWay.set(number, waiting)
      requests.push({ kind: 'admit', upload: waiting.upload, number })
    }
    if (requests.length) post(requests)
    // Without a thread those were refused: so is what waits behind them.
    if (!worker && queue.size) return pump()
    if (underWay.size === 0) idle?.()
  }

  const admit: Admit = (upload) =>
    new Promise((resolve, reject) => {
      const weight = upload.bytes.length + requestOverhead
      const refused = queue.add({
        principal: upload.actor,
        // A copy, which the thread gets; a Buffer can be a view into much more.
        upload: { ...upload, bytes: new Uint8Array(upload.bytes) },
        resolve: resolve as (result: AdmissionResult) => void,
        reject,
        weight,
      })
      for (const last of refused) last.reject(tooMuch(pace.secondsFor(queue.size + uploads)))
      if (pumping) return
      pumping = true
      setImmediate(pump)
    })

  const order = <Result extends AdmissionResult>(work: AdmissionWork) =>
    new Promise<Result>((resolve, reject) => {
      if (underWay.size - uploads >= maxOrders) return reject(tooMuch(1))
      const number = ++counter
      underWay.set(number, { resolve: resolve as (result: AdmissionResult) => void, reject, weight: 0 })
      post([{ ...work, number }])
    })

  const questions = oneByOne()
  start()

  return {
    admit,
    probe: () => order({ kind: 'probe' }),
    depth: () => ({ waiting: queue.size, underWay: uploads }),
    gates: {
      ask: (question) => questions.add(() => order({ kind: 'ask', question })),
      demands: (gate) => questions.add(() => order({ kind: 'demands', gate })),
    },
    withdrawals: {
      withdraw: (work) => order({ kind: 'withdraw', order: work }),
      reinstate: (work) => order({ kind: 'reinstate', order: work }),
      ban: (work) => order({ kind: 'ban', order: work }),
      unban: (work) => order({ kind: 'unban', order: work }),
    },

    record: (entries) => order({ kind: 'record', entries }),

    async close() {
      closing = true
      clearTimeout(restart)
      if (underWay.size + queue.size > 0) await new Promise<void>((resolve) => (idle = resolve))
      worker?.postMessage('close' satisfies AdmissionRequest)
      await exited
    },
  }
}

function refusalOf({ code, detail, about }: Pick<Refusal, 'code' | 'about'> & { detail: string }): Refusal {
  return Object.assign(new Refusal(code, detail), { about })
}

function tooMuch(seconds: number): Refusal {
  const when = seconds === 1 ? 'a second' : `${seconds} seconds`
  return new Refusal('busy', `Too much is waiting; try again in ${when}`, { retrySeconds: seconds })
}
