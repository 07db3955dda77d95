import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

/** What uses each folder and has to end before it goes. */
const users = new Map<string, (() => unknown)[]>()

/** An empty folder that is gone after the test, or the file, that asks for it, when `before` has ended what uses it. */
export function temporaryFolder(before: () => unknown = () => {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'lookaside-'))
  const ends = [before]
  users.set(folder, ends)
  after(async () => {
    for (const end of ends.reverse()) await end()
    users.delete(folder)
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** What uses a folder ends before that goes; where it is no temporary one, after the test, or the file, that asks. */
export function endBefore(folder: string, end: () => unknown): void {
  const ends = users.get(folder)
  if (ends) ends.push(end)
  else after(async () => void (await end()))
}
