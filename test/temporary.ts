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
    // Whoever still writes there, as a server of another folder may, must not keep the rest from ending.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  return folder
}

/** What uses a folder ends before that goes; where it is in no temporary one, after the test, or the file, that asks. */
export function endBefore(folder: string, end: () => unknown): void {
  const [, ends] = [...users].find(([temporary]) => `${folder}/`.startsWith(`${temporary}/`)) ?? []
  if (ends) ends.push(end)
  else after(async () => void (await end()))
}
