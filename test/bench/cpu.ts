import { readdirSync, readFileSync } from 'node:fs'

/** The unit of the times in /proc/<pid>/stat: USER_HZ, 1/100 s for every program on Linux. */
const tickMicroseconds = 10_000

/**
 * What a process and those it has started have used of the processor so far, in microseconds; null where the system
 * has no /proc.
 */
export function processorTime(pid: number): number | null {
  const processes = new Map(readdirProc().flatMap(statOf))
  const own = processes.get(pid)
  if (!own) return null
  const children = [...processes.values()].filter(({ parent }) => parent === pid)
  return [own, ...children].reduce((sum, { ticks }) => sum + ticks, 0) * tickMicroseconds
}

function readdirProc(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** proc(5): after the command, in parentheses, come the state and then the parent; utime and stime are 11 further on. */
function statOf(pid: string): [number, { parent: number; ticks: number }][] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [[Number(pid), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }]]
  } catch {
    // It has ended since the folder was read.
    return []
  }
}
