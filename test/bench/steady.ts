import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { percentilesOf } from './compare.ts'
import type { Order, SteadyJob, Written } from './pacer.ts'
import { tied } from './tied.ts'

/** What became of signatures that were written at a steady pace. */
export interface SteadyResult {
  /** How many a second there really were. */
  rate: number
  errors: number
  times: number[]
}

/** Does something while a process of its own writes at a steady pace. */
export async function whileWriting<T>(
  job: SteadyJob,
  work: () => Promise<T>,
): Promise<{ result: T; written: SteadyResult }> {
  const pacer = tied(fork(join(import.meta.dirname, 'pacer.ts')))
  try {
    await answerTo(pacer, job)
    pacer.send('start' satisfies Order)
    const result = await work()
    const { seconds, done, errors, times } = (await answerTo(pacer, 'stop')) as Written
    if (!times.length) throw new Error(`The ${job.kind} failed`)
    return { result, written: { rate: done / seconds, errors, times: percentilesOf(times) } }
  } finally {
    pacer.kill()
  }
}

async function answerTo(pacer: ChildProcess, order: Order): Promise<unknown> {
  const answered = once(pacer, 'message')
  const ended = once(pacer, 'exit').then(() => {
    throw new Error('The process that writes has ended')
  })
  pacer.send(order)
  const [answer] = await Promise.race([answered, ended])
  return answer
}
