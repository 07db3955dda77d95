import { compare, type Rounds, type Subject } from './compare.ts'
import type { Program } from './installed.ts'
import { comparisonTable, progress } from './report.ts'

/** What a benchmark is run with. */
export interface Settings {
  rounds: Rounds
  /** How many there are to read; null: as many as the benchmark is about. */
  digests: number | null
  /** As few of everything as will do. */
  quick: boolean
  /** Of signatures, two a digest. Filled where it is empty. */
  dataFolder: string
  /** A folder for everything else; it is there, empty and of this benchmark alone, and removed afterwards. */
  scratch: string
  /** As `serve --workers` has it. */
  workers: string
  /** Shows a paragraph of results. */
  say(text: string): void
}

export interface Benchmark {
  run(settings: Settings): Promise<void>
  /** What is left out where a program is not installed. */
  without: Partial<Record<Program, string>>
}

/** Compares, the first subject being what the ratios are to, and shows it. */
export async function compareAndSay(
  { rounds, say }: Pick<Settings, 'rounds' | 'say'>,
  title: string,
  unit: string,
  subjects: Subject[],
): Promise<void> {
  const comparisons = await compare(subjects, rounds, (done, total) => progress('measuring', done, total))
  const length = rounds.seconds ? ` of ${rounds.seconds} s` : ''
  say(`${title}; ${rounds.count} rounds${length}\n${comparisonTable(unit, comparisons)}`)
}
