import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sample, Subject } from './compare.ts'
import type { WebServer } from './web-servers.ts'

const entry = join(import.meta.dirname, '../../src/lookaside.js')

/** How often the memory of a process is looked at. */
const lookMilliseconds = 50

export interface Copying extends Subject {
  /** The most that the process had in memory in each round, in MiB. */
  peaks: number[]
}

/** What is copied: all of it, from empty, in each round. */
export interface Copied {
  server: WebServer
  ca: string
  signatures: number
  /** A folder for what is made. */
  scratch: string
}

/** We, by the change log; what was copied is durable, in the database. */
export function copyingByLog({ server, ca, signatures, scratch }: Copied): Copying {
  const data = join(scratch, 'copy-by-log')
  const policy = join(scratch, 'policy.json')
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
  const from = `https://127.0.0.1:${server.port}/signatures`
  const options = ['--from', from, '--policy', policy, '--ca', ca, '--data', data]
  return copying('lookaside mirror', data, signatures, process.execPath, [entry, 'mirror', ...options])
}

/** lftp over the tree that the same server shows; files are not synced. */
export function copyingByLftp({ server, ca, signatures, scratch }: Copied, lftp: string): Copying {
  const target = join(scratch, 'copy-by-lftp')
  const script = [
    `set ssl:ca-file ${ca}`,
    'set net:connection-limit 8',
    `mirror --parallel=8 https://127.0.0.1:${server.port}/signatures/ ${target}`,
  ]
  return copying('lftp mirror, 8 at once', target, signatures, lftp, ['-c', script.join('; ')])
}

function copying(name: string, target: string, signatures: number, program: string, args: string[]): Copying {
  const peaks: number[] = []
  return {
    name,
    peaks,
    async measure(): Promise<Sample> {
      rmSync(target, { recursive: true, force: true })
      mkdirSync(target)
      const start = performance.now()
      const copy = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
      let peak = 0
      const look = setInterval(() => {
        peak = Math.max(peak, peakMebibytes(copy.pid))
      }, lookMilliseconds)
      const [code] = await once(copy, 'exit')
      clearInterval(look)
      if (code !== 0) throw new Error(`${name} ended with ${code}`)
      peaks.push(peak)
      return { rate: signatures / ((performance.now() - start) / 1000), processor: null, times: null }
    },
  }
}

/** 0 where the process has ended, or the system has no /proc. */
function peakMebibytes(pid: number | undefined): number {
  try {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kibibytes ?? 0) / 1024
  } catch {
    return 0
  }
}
