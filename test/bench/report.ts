import { type Comparison, median, ratios, type Sample } from './compare.ts'

/** Shows what was compared, ratios first: they depend less on the machine, and on what else it does, than figures. */
export function comparisonTable(unit: string, comparisons: Comparison[]): string {
  const heading = [
    ...['', `${unit} ×`, '(range)', 'CPU ×', '50 % ×', '99 % ×'],
    ...[`${unit}/s`, '(range)', 'CPU µs', '50 %', '99 %', '99.9 % ms'],
  ]
  const [baseline] = comparisons
  const rows = comparisons.map((comparison) => {
    const { name, samples } = comparison
    const ratiosOf = (of: (sample: Sample) => number | null | undefined) =>
      ratios(comparison, baseline as Comparison, of)
    const rateRatios = ratiosOf(({ rate }) => rate)
    const rates = samples.map(({ rate }) => rate)
    return [
      name,
      number(median(rateRatios), 2),
      range(rateRatios, 2),
      number(median(ratiosOf(({ processor }) => processor)), 2),
      number(median(ratiosOf(({ times }) => times?.[0])), 2),
      number(median(ratiosOf(({ times }) => times?.[1])), 2),
      number(median(rates), 0),
      range(rates, 0),
      number(median(samples.flatMap(({ processor }) => processor ?? [])), 1),
      ...medianTimes(samples.map(({ times }) => times)),
    ]
  })
  return table([heading, ...rows])
}

/** Of each percentile the median of all rounds, in milliseconds. */
export function medianTimes(rounds: (number[] | null)[]): string[] {
  return [0, 1, 2].map((index) => number(median(rounds.flatMap((times) => times?.[index] ?? [])), 2))
}

export function number(value: number | null, digits: number): string {
  if (value === null) return '–'
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function range(values: number[], digits: number): string {
  return values.length
    ? `(${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`
    : '–'
}

/** The first column to the left, the others to the right. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
  return rows.map(line).join('\n')
}

/** On a terminal only. */
export function progress(what: string, done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(done < total ? `\r${what} ${done}/${total} ` : '\r\x1b[K')
}
