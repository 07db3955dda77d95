import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { percentilesOf, type Sample } from './compare.ts'
import { processorTime } from './cpu.ts'
import type { Job, Measured } from './loader.ts'
import { tied } from './tied.ts'

/**
 * Has a process of its own do a job for some seconds, and measures what that cost the server, including what it does
 * afterwards until `settled`.
 */
export async function measureLoad(
  serverPid: number,
  job: Job,
  settled: () => Promise<void> = async () => {},
): Promise<Sample> {
  const before = processorTime(serverPid)
  const loader = tied(fork(join(import.meta.dirname, 'loader.ts')))
  const ended = once(loader, 'exit')
  loader.send(job)
  const measured = await Promise.race([once(loader, 'message'), ended])
  await ended
  await settled()
  const after = processorTime(serverPid)
  const { seconds, times } = measured[0] as Measured
  if (!times?.length) throw new Error(`The ${job.kind} load failed`)
  return {
    rate: times.length / seconds,
    processor: before === null || after === null ? null : (after - before) / times.length,
    times: percentilesOf(times),
  }
}
