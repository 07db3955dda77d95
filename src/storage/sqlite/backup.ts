import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { publishFile } from '../../durable/durable.ts'
import { isFull } from '../../durable/file-trouble.ts'
import { Refusal } from '../../refusal.ts'
import { chainStart } from '../chain.ts'
import type { Position } from '../storage.ts'
import { type Connection, refuseNoDatabase, turnToOpen } from './connection.ts'
import { holdLock } from './lock.ts'
import { schemaOf } from './migrate.ts'

/** What a backup is of. */
export interface BackedUp {
  schema: number
  epoch: string
  /** The last change that is in it. */
  head: Position
  bytes: number
}

export type OnPages = (done: number, total: number) => void

/**
 * Copies the database as it is at one moment into a file that nobody else can read, while whoever wants reads and
 * writes it. What was durable before the call is in it. The file is there, whole and on disk, when this returns, or not
 * at all; a file of that name is never replaced. The schema stays as it is, so that it can be taken before an upgrade.
 * @throws Refusal data-folder, configuration, backup-invalid where the database itself is damaged, disk-full, busy
 */
export async function backUpSqlite(dataFolder: string, file: string, onPages: OnPages): Promise<BackedUp> {
  refuseNoDatabase(dataFolder)
  const target = resolve(file)
  refuseTaken(target)
  const unfinished = join(dirname(target), `.${basename(target)}.new`)
  // Two that write the same unfinished file would publish neither's.
  const turn = holdLock(dataFolder, 'backup', 0)
  if (!turn) throw new Refusal('busy', `Another backup of ${dataFolder} is being made`)
  try {
    await makePrivateFile(unfinished)
    try {
      const backedUp = await copySnapshot(dataFolder, unfinished, onPages)
      await publishFile(unfinished, target).catch((error) => {
        if (error.code === 'EEXIST') refuseTaken(target)
        throw error
      })
      return backedUp
    } catch (error) {
      for (const ending of ['', '-journal', '-wal', '-shm']) await rm(unfinished + ending, { force: true })
      throw error
    }
  } finally {
    turn.release()
  }
}

function refuseTaken(target: string): void {
  if (existsSync(target))
    throw new Refusal('configuration', `${target} is there already: a backup replaces no file`)
}

async function makePrivateFile(file: string): Promise<void> {
  try {
    await rm(file, { force: true })
    await (await open(file, 'wx', 0o600)).close()
  } catch (cause) {
    throw new Refusal('configuration', `No backup can be written there: ${(cause as Error).message}`, {
      cause,
    })
  }
}

async function copySnapshot(dataFolder: string, unfinished: string, onPages: OnPages): Promise<BackedUp> {
  const source = join(dataFolder, 'lookaside.db')
  const turn = turnToOpen(dataFolder, source)
  let db: Connection
  try {
    db = new Database(source, { readonly: true })
  } finally {
    turn.release()
  }
  try {
    await copyPages(db, unfinished, onPages)
  } finally {
    db.close()
  }
  return finish(unfinished, source)
}

/** Pages copied before others have their turn. */
const pagesAtOnce = 4096

/**
 * The copy of one moment. Without a transaction around them, the steps of a backup begin anew whenever somebody commits
 * (sqlite.org/c3ref/backup_finish.html): under load it would never end. VACUUM INTO is of one moment too, but makes every
 * index anew: several times the work.
 * @throws Refusal disk-full, backup-invalid
 */
export async function copyPages(from: Connection, to: string, onPages: OnPages): Promise<void> {
  try {
    from.exec('BEGIN')
    schemaOf(from)
    from.prepare('SELECT count(*) FROM sqlite_schema').get()
    await from.backup(to, {
      progress({ totalPages, remainingPages }) {
        onPages(totalPages - remainingPages, totalPages)
        return pagesAtOnce
      },
    })
    from.exec('COMMIT')
  } catch (error) {
    throw asRefusal(error)
  }
}

/** Makes it one file without a WAL beside it, which any SQLite opens, and sees that it is sound and on disk. */
async function finish(file: string, source: string): Promise<BackedUp> {
  const db = new Database(file)
  let backedUp: Omit<BackedUp, 'bytes'>
  try {
    db.pragma('journal_mode = DELETE')
    const [{ quick_check: verdict }] = db.pragma('quick_check(1)') as [{ quick_check: string }]
    if (verdict !== 'ok')
      throw new Refusal('backup-invalid', `${source} is damaged, and so would a backup be: ${verdict}`)
    backedUp = describe(db)
  } catch (error) {
    throw asRefusal(error)
  } finally {
    db.close()
  }
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
    return { ...backedUp, bytes: (await handle.stat()).size }
  } catch (error) {
    throw asRefusal(error)
  } finally {
    await handle.close()
  }
}

function describe(db: Connection): Omit<BackedUp, 'bytes'> {
  const head = db.prepare('SELECT seq, lower(hex(hash)) AS hash FROM changes ORDER BY seq DESC LIMIT 1').get()
  return {
    schema: schemaOf(db),
    epoch: db.prepare("SELECT value FROM meta WHERE key = 'epoch'").pluck().get() as string,
    head: (head as Position | undefined) ?? { seq: 0, hash: chainStart },
  }
}

/** What SQLite says of a file that is no whole database, and of a disk that is full. */
export function asRefusal(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message: string }
  if (typeof code !== 'string') return error
  if (code === 'SQLITE_FULL' || isFull(code))
    return new Refusal('disk-full', `There is no room for the copy of the database: ${message}`, {
      cause: error,
    })
  if (/^SQLITE_(?:CORRUPT|NOTADB|ERROR|READONLY|IOERR_SHORT_READ)/.test(code))
    return new Refusal('backup-invalid', `It is no whole database: ${message}`, { cause: error })
  return error
}
