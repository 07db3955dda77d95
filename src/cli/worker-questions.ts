import cluster, { type Worker } from 'node:cluster'
import { oneProcess, type Processes } from '../http/processes.ts'

/** What a worker asks of all, by way of the process that supervises them; and what one of them is asked. */
interface Question {
  number: number
  question: string
}
type Answers = Awaited<ReturnType<Processes['ask']>>
type ToSupervisor = { asks: Question } | { answers: { number: number; answer: unknown } }
type ToWorker = { asked: Question } | { answered: { number: number; answers: Answers } }

/** A worker that is silent for so long is left out: Prometheus itself waits for ten seconds. */
const deadlineMilliseconds = 2000

/** Hands questions of workers on to all of them. Whoever takes the place of one that died has its number. */
export function handOnQuestions(count: number): void {
  const seats: (Worker | null)[] = Array.from({ length: count }, () => null)
  const isListening = new WeakSet<Worker>()
  const waiting = new Map<number, { worker: Worker; settle(answer: unknown): void }>()
  let counter = 0

  const ask = (worker: Worker | null, question: string) =>
    new Promise<unknown>((resolve) => {
      if (!worker?.isConnected() || !isListening.has(worker)) return resolve(null)
      const number = ++counter
      const settle = (answer: unknown) => {
        clearTimeout(deadline)
        waiting.delete(number)
        resolve(answer)
      }
      const deadline = setTimeout(settle, deadlineMilliseconds, null)
      waiting.set(number, { worker, settle })
      send(worker, { asked: { number, question } })
    })

  cluster.on('fork', (worker) => {
    // One that could not be started never ends, and would keep its seat.
    if (worker.process.pid !== undefined) seats[seats.indexOf(null)] = worker
  })
  cluster.on('listening', (worker) => void isListening.add(worker))
  cluster.on('exit', (worker) => {
    const seat = seats.indexOf(worker)
    if (seat >= 0) seats[seat] = null
    for (const asked of [...waiting.values()]) if (asked.worker === worker) asked.settle(null)
  })
  cluster.on('message', async (worker, message: ToSupervisor) => {
    if ('answers' in message) {
      const { number, answer } = message.answers
      return waiting.get(number)?.settle(answer)
    }
    if (!('asks' in message)) return
    const { number, question } = message.asks
    const answers = await Promise.all(
      seats.map(async (asked, seat) => ({ worker: seat + 1, answer: await ask(asked, question) })),
    )
    send(worker, { answered: { number, answers } })
  })
}

/** Who has gone meanwhile needs no answer. */
function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.process.send?.(message, undefined, undefined, () => {})
}

/** The processes of this server, for one of them. */
export function servingProcesses(): Processes {
  const alone = oneProcess()
  if (!cluster.isWorker) return alone
  const waiting = new Map<number, (answers: Answers) => void>()
  let counter = 0
  const tell = (message: ToSupervisor) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
  const askHere = (question: string) => alone.ask(question).catch(() => [{ worker: 1, answer: null }])
  process.on('message', async (message: ToWorker) => {
    if ('answered' in message) waiting.get(message.answered.number)?.(message.answered.answers)
    else if ('asked' in message) {
      const { number, question } = message.asked
      const [mine] = await askHere(question)
      tell({ answers: { number, answer: mine?.answer ?? null } })
    }
  })
  return {
    answer: alone.answer,
    ask: (question) =>
      new Promise((resolve) => {
        const number = ++counter
        const settle = (answers: Answers) => {
          clearTimeout(deadline)
          waiting.delete(number)
          resolve(answers)
        }
        // Only where the process that supervises is stopped or gone.
        const deadline = setTimeout(async () => settle(await askHere(question)), 2 * deadlineMilliseconds)
        waiting.set(number, settle)
        tell({ asks: { number, question } })
      }),
  }
}
