import { existsSync, statSync } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { makeFolder, syncFolder } from '../../durable/durable.ts'
import { Refusal } from '../../refusal.ts'
import type { By } from '../audit.ts'
import { checkDatabase } from '../check.ts'
import type { Lease } from '../storage.ts'
import { asRefusal, copyPages, type OnPages } from './backup.ts'
import { type Connection, turnToOpen } from './connection.ts'
import { holdLock } from './lock.ts'
import { newestSchema, schemaOf } from './migrate.ts'
import { openSqlite } from './sqlite.ts'

export interface Restored {
  changes: number
  signatures: number
  /** Of the backup; the database has the one of this program. */
  schema: number
  epoch: string
  /** The folder to which the database that was there went; null: there was none. */
  kept: string | null
}

export interface RestoreOptions {
  dataFolder: string
  backup: string
  /** Who restores it, for the audit trail. */
  by: By
  /** What a server holds all the time: where the database is too damaged to tell who has it open, these do. */
  leases: readonly string[]
  onPages: OnPages
  /** All pages are there, and are checked. */
  onCheck(): void
}

/** The backup while it is checked: a data folder of its own inside the one that it is for. */
const staging = 'restore.new'

/**
 * Puts a backup, by this program or an older one, in place of the database of a data folder, after all of it was
 * checked. The epoch is new. Whatever interrupts it, the folder has the database that it had or the one of the backup,
 * and the next call takes away what was left behind. The database that was there is kept beside it.
 * @throws Refusal data-folder where a server or command has it open, backup-invalid, disk-full
 */
export async function restoreSqlite(options: RestoreOptions): Promise<Restored> {
  const { dataFolder, leases } = options
  if (!statSync(options.backup, { throwIfNoEntry: false })?.isFile())
    throw new Refusal('configuration', `${options.backup} is no file`)
  await makeFolder(dataFolder)
  const held: Lease[] = []
  try {
    for (const name of ['restore', ...leases]) {
      const lease = holdLock(dataFolder, name, 0)
      if (!lease) throw inUse(dataFolder)
      held.push(lease)
    }
    await clear(dataFolder)
    if (existsSync(join(dataFolder, 'lookaside.db'))) emptyWal(dataFolder)
    try {
      const restored = await stage(options)
      return { ...restored, kept: await swap(dataFolder) }
    } finally {
      await clear(dataFolder)
    }
  } finally {
    for (const lease of held) lease.release()
  }
}

/** The backup as it will be, checked and on disk. */
async function stage({
  dataFolder,
  backup,
  by,
  onPages,
  onCheck,
}: RestoreOptions): Promise<Omit<Restored, 'kept'>> {
  const folder = join(dataFolder, staging)
  const file = join(folder, 'lookaside.db')
  await mkdir(folder, { mode: 0o700 })
  await (await open(file, 'wx', 0o600)).close()
  const schema = await copyBackup(backup, file, onPages)
  onCheck()
  const storage = openStaged(folder, backup)
  let restored: Omit<Restored, 'kept'>
  try {
    const { changes, signatures } = await checked(storage, backup)
    restored = { changes, signatures, schema, epoch: await storage.renewEpoch(by) }
  } finally {
    await storage.close()
  }
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  await syncFolder(folder)
  return restored
}

async function copyBackup(backup: string, file: string, onPages: OnPages): Promise<number> {
  let db: Connection | undefined
  try {
    db = new Database(backup, { readonly: true })
    const schema = schemaOf(db)
    const isOurs = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'changes'").get()
    if (schema < 1 || !isOurs) throw new Refusal('backup-invalid', `${backup} is no database of lookaside`)
    if (schema > newestSchema())
      throw new Refusal(
        'backup-invalid',
        `${backup} has schema ${schema}, written by a newer lookaside; this one knows schemas up to ${newestSchema()}`,
      )
    await copyPages(db, file, onPages)
    return schema
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code?.startsWith('SQLITE_CANTOPEN'))
      throw new Refusal('configuration', `${backup} cannot be read: ${message}`, { cause: error })
    throw saying(backup, asRefusal(error))
  } finally {
    db?.close()
  }
}

function saying(backup: string, error: unknown): unknown {
  if (!(error instanceof Refusal) || error.code !== 'backup-invalid' || error.message.startsWith(backup))
    return error
  return new Refusal('backup-invalid', `${backup} cannot be restored. ${error.message}`, { cause: error })
}

/** Brought up to date. What a migration cannot work with is no sound backup. */
function openStaged(folder: string, backup: string) {
  try {
    return openSqlite({ dataFolder: folder, create: false })
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    if (!cause) throw error
    const refusal = asRefusal(cause)
    if (refusal instanceof Refusal) throw saying(backup, refusal)
    if (/^(?:SQLITE_IOERR|E[A-Z]+$)/.test(String((cause as { code?: unknown }).code))) throw error
    throw new Refusal(
      'backup-invalid',
      `${backup} cannot be brought up to date: ${(cause as Error).message}`,
      { cause },
    )
  }
}

async function checked(storage: ReturnType<typeof openSqlite>, backup: string) {
  let damages = 0
  let first = ''
  const result = await checkDatabase(storage, (_kind, where, detail) => {
    if (!damages++) first = `${where}: ${detail}`
  }).catch((error) => {
    throw saying(backup, asRefusal(error))
  })
  if (damages)
    throw new Refusal(
      'backup-invalid',
      `${backup} is damaged in ${damages} places, the first of them ${first}`,
    )
  return result
}

/**
 * The database that was there gets a second name among what is staged, and then the new one its name: at no moment there
 * is none. Nobody opens either meanwhile.
 * @returns where the one that was there is kept
 */
async function swap(dataFolder: string): Promise<string | null> {
  const file = join(dataFolder, 'lookaside.db')
  const turn = turnToOpen(dataFolder, file)
  try {
    const isThere = existsSync(file)
    if (isThere) {
      emptyWal(dataFolder)
      const before = join(dataFolder, staging, 'before')
      await mkdir(before, { mode: 0o700 })
      await link(file, join(before, 'lookaside.db'))
      // Only one that is damaged has it still. Beside another database it would spoil that.
      if (existsSync(`${file}-wal`)) await link(`${file}-wal`, join(before, 'lookaside.db-wal'))
      await syncFolder(before)
      await syncFolder(join(dataFolder, staging))
    }
    for (const ending of ['-wal', '-shm']) await rm(file + ending, { force: true })
    await syncFolder(dataFolder)
    await rename(join(dataFolder, staging, 'lookaside.db'), file)
    await syncFolder(dataFolder)
    return isThere ? await keepBefore(dataFolder) : null
  } finally {
    turn.release()
  }
}

/**
 * Brings all that was committed into the file.
 * @throws Refusal data-folder where somebody else has it open
 */
function emptyWal(dataFolder: string): void {
  let db: Connection | undefined
  try {
    db = new Database(join(dataFolder, 'lookaside.db'), { timeout: 0 })
    // In WAL mode whoever has the database open shares a lock on it all the time (sqlite.org/wal.html, "exclusive mode").
    db.pragma('locking_mode = EXCLUSIVE')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    db.pragma('wal_checkpoint(TRUNCATE)')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'SQLITE_BUSY') throw inUse(dataFolder)
    if (!/^SQLITE_(?:CORRUPT|NOTADB|ERROR)/.test(code ?? '')) throw error
  } finally {
    db?.close()
  }
}

function inUse(dataFolder: string): Refusal {
  return new Refusal(
    'data-folder',
    `A server or another command has ${dataFolder} open, or restores it: end it first`,
  )
}

/**
 * An interrupted call may have ended when the database that was there, or its WAL, had no other name any more; what has
 * one is left to it.
 */
async function isOnlyCopy(before: string): Promise<boolean> {
  const files = ['lookaside.db', 'lookaside.db-wal'].map((name) => join(before, name))
  const links = files.map((file) => statSync(file, { throwIfNoEntry: false })?.nlink)
  if (!links.includes(1)) return false
  for (const [index, file] of files.entries()) if (links[index] !== 1) await rm(file, { force: true })
  return true
}

async function keepBefore(dataFolder: string): Promise<string> {
  const kept = join(dataFolder, `before-restore-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`)
  await rename(join(dataFolder, staging, 'before'), kept)
  await syncFolder(dirname(kept))
  return kept
}

/** Takes away what this or an interrupted call has left; a database of which there is no other copy is kept. */
async function clear(dataFolder: string): Promise<void> {
  if (await isOnlyCopy(join(dataFolder, staging, 'before'))) await keepBefore(dataFolder)
  await rm(join(dataFolder, staging), { recursive: true, force: true })
}
