import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { makeFolderSync } from '../../durable/durable.ts'
import { Refusal } from '../../refusal.ts'
import type { Lease } from '../storage.ts'

/**
 * Holds a lock that all processes on this machine see, as an exclusive transaction on a small SQLite file. The
 * operating system ends it with the process, whatever kills that: no clock, no stale lock.
 * @returns null if another holder has it for longer than `waitMilliseconds`
 * @throws Refusal data-folder
 */
export function holdLock(dataFolder: string, name: string, waitMilliseconds: number): Lease | null {
  const folder = resolve(dataFolder, 'locks')
  const file = join(folder, `${name}.lock`)
  let db: Database.Database | undefined
  try {
    // Who can open a lock can hold it.
    makeFolderSync(folder, 0o750)
    db = new Database(file, { timeout: waitMilliseconds })
    // Nothing is ever written, so that a lock can be had on a full disk too.
    db.pragma('journal_mode = MEMORY')
    db.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    db?.close()
    if ((cause as { code?: string }).code === 'SQLITE_BUSY') return null
    throw new Refusal('data-folder', `${file} cannot be locked: ${(cause as Error).message}`, { cause })
  }
  const held = db
  return { release: () => held.close() }
}
