/** What stands in a queue: whose it is, and its weight in bytes. */
export interface Waiting {
  principal: string
  weight: number
}

export interface FairQueue<Job extends Waiting> {
  readonly size: number
  /**
   * Lets a job wait. Where that is more than may, the last of whoever has most waiting go instead: they are returned, and
   * it may be one of them itself.
   */
  add(job: Job): Job[]
  /** The next one: principals take turns, and each has its own in the order in which they came. */
  next(): Job | undefined
}

/** A bounded queue in which one principal with a thousand jobs is in nobody's way. */
export function fairQueue<Job extends Waiting>(max: { jobs: number; bytes: number }): FairQueue<Job> {
  /** By principal; the first is the one whose turn it is. None is empty. */
  const lines = new Map<string, { jobs: Job[]; bytes: number }>()
  let size = 0
  let bytes = 0

  const take = (principal: string, from: 'shift' | 'pop'): Job | undefined => {
    const line = lines.get(principal)
    const job = line?.jobs[from]()
    if (!line || !job) return undefined
    line.bytes -= job.weight
    bytes -= job.weight
    size--
    if (line.jobs.length === 0) lines.delete(principal)
    return job
  }

  /** Who came with the last job has it refused, unless another one has more. */
  const heaviest = (last: string): string => {
    let [most, found] = [lines.get(last)?.bytes ?? 0, last]
    for (const [principal, line] of lines) if (line.bytes > most) [most, found] = [line.bytes, principal]
    return found
  }

  return {
    get size() {
      return size
    },

    add(job) {
      const line = lines.get(job.principal) ?? { jobs: [], bytes: 0 }
      lines.set(job.principal, line)
      line.jobs.push(job)
      line.bytes += job.weight
      bytes += job.weight
      size++
      const refused: Job[] = []
      while (size > max.jobs || bytes > max.bytes) {
        const last = take(heaviest(job.principal), 'pop')
        if (last) refused.push(last)
      }
      return refused
    },

    next() {
      const [principal] = lines.keys()
      if (principal === undefined) return undefined
      const job = take(principal, 'shift')
      const rest = lines.get(principal)
      if (rest) {
        lines.delete(principal)
        lines.set(principal, rest)
      }
      return job
    },
  }
}
