import { readdirSync, readFileSync } from 'node:fs'

/** The unit of the times in /proc/<pid>/stat: USER_HZ, 1/100 s for every program on Linux. */
const tickMicroseconds = 10_000

/**
 * What a process and those it has started have used of the processor so far, in microseconds; null where the system
 * has no /proc.
 */
export function processorTime(pid: number): number | null {
  const processes = withChildren(pid)
  return processes.length ? processes.reduce((sum, { ticks }) => sum + ticks, 0) * tickMicroseconds : null
}

/** What of each of them is in memory at present, in MiB; empty where the system has no /proc. */
export function residentMebibytes(pid: number): number[] {
  return withChildren(pid).map(({ pid }) => mebibytes(pid, 'VmRSS'))
}

/** A line of /proc/<pid>/status; 0 where there is none, or the process has ended. */
export function mebibytes(pid: number | undefined, name: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

interface Stat {
  pid: number
  parent: number
  ticks: number
}

function withChildren(pid: number): Stat[] {
  const all = readdirProc().flatMap(statOf)
  return all.filter((process) => process.pid === pid || process.parent === pid)
}

function readdirProc(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** proc(5): after the command, in parentheses, come the state and then the parent; utime and stime are 11 further on. */
function statOf(pid: string): Stat[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [{ pid: Number(pid), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }]
  } catch {
    // It has ended since the folder was read.
    return []
  }
}
