import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'

/** The processors of this machine, halved: for a server, and for those who come to it, as from other machines. */
export interface Halves {
  server: string
  others: string
}

/** Null where there is only one, or where Linux's taskset is missing: then they share what there is. */
export function halves(): Halves | null {
  let allowed: number[]
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
    allowed = listed(readFileSync('/proc/self/status', 'utf8'))
  } catch {
    return null
  }
  const half = allowed.length >> 1
  if (!half) return null
  return { server: allowed.slice(0, half).join(), others: allowed.slice(half).join() }
}

/** What one process may run on, from proc_pid_status(5): `0-3,7`. */
function listed(status: string): number[] {
  const ranges = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1]?.split(',') ?? []
  return ranges.flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?]
    return Array.from({ length: (last as number) - first + 1 }, (_, index) => first + index)
  })
}

/** Has this process, with all its threads and with what it starts from now on, run on these processors alone. */
export function moveTo(processors: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', processors, String(process.pid)], {
    stdio: 'ignore',
  })
}

/**
 * Has the thread that calls run as soon as it can go on, before all others on its processor; not what it starts. Its
 * times are then those of who is asked, as seen from a machine of its own.
 * @returns false where only root may do that
 */
export function goFirst(): boolean {
  const thread = readlinkSync('/proc/thread-self').split('/').at(-1) as string
  try {
    execFileSync('chrt', ['--fifo', '--reset-on-fork', '--pid', '1', thread], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The end of `goFirst`. */
export function goWithOthers(): void {
  const thread = readlinkSync('/proc/thread-self').split('/').at(-1) as string
  execFileSync('chrt', ['--other', '--pid', '0', thread], { stdio: 'ignore' })
}
