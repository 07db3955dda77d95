import { existsSync, readFileSync } from 'node:fs'

/** What was written to a log of requests since the call before, line by line. */
export function accessLog<Line>(file: string, read: (line: string) => Line): () => Line[] {
  let seen = 0
  return () => {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
    const since = lines.slice(seen).map(read)
    seen = lines.length
    return since
  }
}
