import { existsSync, readFileSync } from 'node:fs'
import { eventually } from '../eventually.ts'

/**
 * What was asked of the server at `url` since the call before. Servers write of a request behind its answer: all is
 * written when that is of which this asks last.
 * @param written every line of its log
 * @param read what a line says; nothing where it is of no request
 */
export function accessLog<Line>(
  url: string,
  written: () => readonly string[],
  read: (line: string) => Line | [],
): () => Promise<Line[]> {
  let seen = 0
  let calls = 0
  return async () => {
    const last = `/last-${++calls}-`
    await (await fetch(url + last)).arrayBuffer()
    let end = -1
    await eventually(() => {
      end = written().findIndex((line) => line.includes(last))
      return end >= 0
    })
    const since = written().slice(seen, end).flatMap(read)
    seen = end + 1
    return since
  }
}

/** None where nothing was written yet. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}
