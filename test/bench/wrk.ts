import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Sample } from './compare.ts'
import { processorTime } from './cpu.ts'
import type { WebServer } from './web-servers.ts'

export const wrkClients = 32

const requestsAnImage = 3

/** wrk has ended by then, unless something is wrong. */
const patienceSeconds = 60

/**
 * Reads images with wrk for some seconds. Kept alive: 32 clients, each request counts. Cold: a new connection for each
 * image, by 8 clients, and each image counts; wrk resumes the TLS session.
 */
export async function readWithWrk(
  program: string,
  { name, port, pid }: WebServer,
  { paths, seconds, cold }: { paths: string; seconds: number; cold: boolean },
): Promise<Sample> {
  const before = processorTime(pid)
  const { stdout } = await promisify(execFile)(
    program,
    [
      ...(cold ? ['-t8', '-c8'] : ['-t1', `-c${wrkClients}`]),
      ...['-d', `${seconds}s`, '-s', join(import.meta.dirname, 'read.lua')],
      `https://127.0.0.1:${port}`,
    ],
    {
      timeout: (seconds + patienceSeconds) * 1000,
      env: { ...process.env, LOOKASIDE_BENCH_PATHS: paths, ...(cold && { LOOKASIDE_BENCH_COLD: '1' }) },
    },
  )
  const after = processorTime(pid)
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
  const { microseconds = 0, requests = 0, not200 = 0, failed, p50 = 0, p99 = 0, p999 = 0 } = result
  // One of three is a 404; of the last image of each connection, it may not have come to that.
  const errors = Math.abs(not200 - requests / requestsAnImage)
  if (failed !== 0 || errors > requests * 0.01 + wrkClients)
    throw new Error(`${name} did not answer as it should: ${JSON.stringify(result)}`)
  const units = cold ? requests / requestsAnImage : requests
  return {
    rate: (units * 1e6) / microseconds,
    processor: before === null || after === null ? null : (after - before) / units,
    times: [p50, p99, p999].map((time) => time / 1000),
  }
}
