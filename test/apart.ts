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
 * @returns what ends that; null where only root may do it, or nobody can
 */
export function goFirst(): (() => void) | null {
  try {
    const thread = readlinkSync('/proc/thread-self').split('/').at(-1) as string
    const schedule = (policy: string, priority: string) =>
      execFileSync('chrt', ['--reset-on-fork', policy, '--pid', priority, thread], { stdio: 'ignore' })
    schedule('--fifo', '1')
    return () => void schedule('--other', '0')
  } catch {
    return null
  }
}
