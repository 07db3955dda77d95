/** What one round of one subject showed. */
export interface Sample {
  /** Units of work a second. */
  rate: number
  /** Microseconds of processor time of the server, a unit; null where it is not known. */
  processor: number | null
  /** Milliseconds that a unit took, by percentile as in `percentiles`; null where it is not known. */
  times: number[] | null
}

const percentiles = [0.5, 0.99, 0.999]

export interface Subject<S extends Sample = Sample> {
  name: string
  measure(seconds: number): Promise<S>
}

export interface Rounds {
  count: number
  /** 0: each takes as long as it takes. */
  seconds: number
  /** False: there is no round before the first. */
  warmUp?: boolean
}

export interface Comparison<S extends Sample = Sample> {
  name: string
  samples: S[]
}

/**
 * Measures all subjects in turn, round after round, each starting with another one: whatever else the machine does
 * meets all of them alike, and ratios are of neighbours in time.
 */
export async function compare<S extends Sample>(
  subjects: Subject<S>[],
  { count, seconds, warmUp = true }: Rounds,
  onProgress: (done: number, total: number) => void,
): Promise<Comparison<S>[]> {
  const samples = new Map<Subject<S>, S[]>(subjects.map((subject) => [subject, []]))
  const first = warmUp ? -1 : 0
  const total = subjects.length * (count - first)
  let done = 0
  // The round before the first one warms up, and does not count.
  for (let round = first; round < count; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(turn + round + 1) % subjects.length] as Subject<S>
      const sample = await subject.measure(seconds)
      if (round >= 0) samples.get(subject)?.push(sample)
      onProgress(++done, total)
    }
  }
  return [...samples].map(([{ name }, own]) => ({ name, samples: own }))
}

/** What a value is by that of another subject in the same round, round by round; nothing where one is not known. */
export function ratios<S extends Sample>(
  own: Comparison<S>,
  baseline: Comparison<S>,
  measureOf: (sample: S) => number | null | undefined,
): number[] {
  return own.samples.flatMap((sample, round) => {
    const value = measureOf(sample)
    const by = measureOf(baseline.samples[round] as S)
    return value == null || !by ? [] : [value / by]
  })
}

/** The lower one of two in the middle; null of nothing. */
export function median(values: number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null
}

/** Of times in any order, by percentile as in `percentiles`: the least that so many are not above. */
export function percentilesOf(times: number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b)
  return percentiles.map((part) => sorted[Math.ceil(sorted.length * part) - 1] as number)
}
