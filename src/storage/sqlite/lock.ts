import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { makeFolderSync } from '../../durable/durable.ts'
import type { Lease } from '../storage.ts'

/**
 * Holds a lock that all processes on this machine see, as an exclusive transaction on a small SQLite file. The
 * operating system ends it with the process, whatever kills that: no clock, no stale lock.
 * @returns null if another holder has it for longer than `waitMilliseconds`
 */
export function holdLock(dataFolder: string, name: string, waitMilliseconds: number): Lease | null {
  const folder = resolve(dataFolder, 'locks')
  // Who can open a lock can hold it.
  makeFolderSync(folder, 0o750)
  const db = new Database(join(folder, `${name}.lock`), { timeout: waitMilliseconds })
  try {
    // Nothing is ever written, so that a lock can be had on a full disk too.
    db.pragma('journal_mode = MEMORY')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return null
    throw error
  }
  return { release: () => db.close() }
}
