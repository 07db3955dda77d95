/** What one round of one subject showed. */
export interface Sample {
  /** Units of work a second. */
  rate: number
  /** Microseconds of processor time of the server, a unit; null where it is not known. */
  processor: number | null
  /** Milliseconds that a unit took at the 50th, 99th and 99.9th percentile; null where it is not known. */
  times: number[] | null
}

export interface Subject {
  name: string
  measure(seconds: number): Promise<Sample>
}

export interface Rounds {
  count: number
  seconds: number
  /** False: there is no round before the first, as nothing would be warm after it. */
  warmUp?: boolean
}

export interface Comparison {
  name: string
  samples: Sample[]
  /** Of each round, by the baseline's in that round, the median; null where there is none. */
  ratios: { rate: number | null; processor: number | null; median: number | null }
}

/**
 * Measures all subjects in turn, round after round, each starting with another one: whatever else the machine does
 * meets all of them alike, and ratios are of neighbours in time. The first subject is the baseline.
 */
export async function compare(
  subjects: Subject[],
  { count, seconds, warmUp = true }: Rounds,
  onProgress: (done: number, total: number) => void,
): Promise<Comparison[]> {
  const samples = new Map<Subject, Sample[]>(subjects.map((subject) => [subject, []]))
  const first = warmUp ? -1 : 0
  const total = subjects.length * (count - first)
  let done = 0
  // The round before the first one warms up, and does not count.
  for (let round = first; round < count; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(turn + round + 1) % subjects.length] as Subject
      const sample = await subject.measure(seconds)
      if (round >= 0) samples.get(subject)?.push(sample)
      onProgress(++done, total)
    }
  }
  const baseline = [...samples.values()][0] ?? []
  return [...samples].map(([{ name }, own]) => {
    const ratio = (of: (sample: Sample) => number | null | undefined) =>
      median(own.flatMap((sample, round) => quotient(of(sample), of(baseline[round] as Sample))))
    return {
      name,
      samples: own,
      ratios: {
        rate: ratio(({ rate }) => rate),
        processor: ratio(({ processor }) => processor),
        median: ratio(({ times }) => times?.[0]),
      },
    }
  })
}

function quotient(value: number | null | undefined, by: number | null | undefined): number[] {
  return value == null || !by ? [] : [value / by]
}

/** The lower one of two in the middle; null of nothing. */
export function median(values: number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null
}
