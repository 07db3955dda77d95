import { readFileSync, writeFileSync } from 'node:fs'

/** What `--write` writes of a benchmark. */
export interface Results {
  /** As it can be pasted. */
  command: string
  circumstances: string
  /** A paragraph each. */
  said: string[]
}

/** Writes the results of a benchmark to a document that has a place for them, in place of those that are there. */
export function writeResults(file: string, benchmark: string, results: Results): void {
  writeFileSync(file, withResults(readFileSync(file, 'utf8'), benchmark, results))
}

/** The place is between two comments, `<!-- bench read -->` and `<!-- end of bench read -->`: all else stays. */
export function withResults(
  document: string,
  benchmark: string,
  { command, circumstances, said }: Results,
): string {
  const [opening, closing] = [`<!-- bench ${benchmark} -->`, `<!-- end of bench ${benchmark} -->`]
  const start = document.indexOf(opening)
  const end = document.indexOf(closing)
  if (start < 0 || end < start) throw new Error(`The document has no place for the results of ${benchmark}`)
  const block = `\n\`${command}\`\n\n\`\`\`text\n${said.join('\n\n')}\n\`\`\`\n\n${circumstances}\n`
  return document.slice(0, start + opening.length) + block + document.slice(end)
}
