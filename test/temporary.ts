import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

/** An empty folder that is gone after the tests of this file, when `before` has ended what uses it. */
export function temporaryFolder(before: () => unknown = () => {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'lookaside-'))
  after(async () => {
    await before()
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
