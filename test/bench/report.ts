import { type Comparison, median } from './compare.ts'

/** Prints what was compared, ratios first: they depend less on the machine, and on what else it does, than figures. */
export function table(unit: string, comparisons: Comparison[]): string {
  const heading = [
    '',
    `${unit} ×`,
    'CPU ×',
    '50 % ×',
    `${unit}/s`,
    '(range)',
    'CPU µs',
    '50 %',
    '99 %',
    '99.9 % ms',
  ]
  const rows = comparisons.map(({ name, samples, ratios }) => {
    const rates = samples.map(({ rate }) => rate)
    const percentile = (index: number) => median(samples.flatMap(({ times }) => times?.[index] ?? []))
    return [
      name,
      ...[ratios.rate, ratios.processor, ratios.median].map((ratio) => written(ratio, 2)),
      written(median(rates), 0),
      `(${written(Math.min(...rates), 0)}–${written(Math.max(...rates), 0)})`,
      written(median(samples.flatMap(({ processor }) => processor ?? [])), 1),
      ...[0, 1, 2].map((index) => written(percentile(index), 2)),
    ]
  })
  return aligned([heading, ...rows])
}

function written(value: number | null, digits: number): string {
  if (value === null) return '–'
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** The first column to the left, the others to the right. */
function aligned(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
  return rows.map(line).join('\n')
}
