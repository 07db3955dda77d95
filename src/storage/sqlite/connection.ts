import { closeSync, existsSync, openSync, statfsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { makeFolderSync } from '../../durable/durable.ts'
import { Refusal } from '../../refusal.ts'
import { DamagedDatabase } from '../damaged.ts'
import type { Lease } from '../storage.ts'
import { holdLock } from './lock.ts'
import { isBehind, migrate } from './migrate.ts'

export type Connection = Database.Database

/** How long a statement waits for another process's write before it is refused as `busy`. */
const busyMilliseconds = 10_000

/** How long a process may take to open a database that is up to date. */
const openMilliseconds = 60_000

export interface ConnectOptions {
  /** False: a folder without a database is refused. */
  create: boolean
  openMilliseconds?: number
  /** Called whenever another process has been bringing the database up to date for `openMilliseconds`. */
  onWaiting?(): void
}

/** File systems of other machines: their locks and shared memory do not carry SQLite's WAL (sqlite.org/wal.html). */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x01021997, '9P'],
  [0x00c36400, 'CephFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
])

/**
 * Opens `lookaside.db` in a data folder, with `create` makes what is missing, and brings an older schema up to date.
 * @throws Refusal data-folder where the folder cannot hold a database, has none, or holds a newer one
 */
export function connect(dataFolder: string, options: ConnectOptions): Connection {
  const file = join(dataFolder, 'lookaside.db')
  if (!options.create) refuseNoDatabase(dataFolder)
  try {
    makeFolderSync(resolve(dataFolder))
  } catch (cause) {
    throw new Refusal(
      'data-folder',
      `The data folder ${dataFolder} cannot be made: ${(cause as Error).message}`,
      { cause },
    )
  }
  refuseNetworkFileSystem(dataFolder)
  const turn = turnToOpen(dataFolder, file, options)
  try {
    return open(file)
  } finally {
    turn.release()
  }
}

/** @throws Refusal data-folder */
export function refuseNoDatabase(dataFolder: string): void {
  if (!existsSync(join(dataFolder, 'lookaside.db')))
    throw new Refusal('data-folder', `${dataFolder} is no data folder: there is no lookaside.db in it`)
}

/** Of all processes one opens the database at a time, and brings it up to date: of a large one, that takes minutes. */
export function turnToOpen(
  dataFolder: string,
  file: string,
  { openMilliseconds: patience = openMilliseconds, onWaiting }: Partial<ConnectOptions> = {},
): Lease {
  for (;;) {
    const turn = holdLock(dataFolder, 'open', patience)
    if (turn) return turn
    if (!isOutOfDate(file))
      throw new Refusal(
        'data-folder',
        `Another process has been opening ${file} for too long: does it still run?`,
      )
    onWaiting?.()
  }
}

/** What the process that migrates it has not committed is not seen. */
function isOutOfDate(file: string): boolean {
  let db: Connection | undefined
  try {
    db = new Database(file, { readonly: true })
    return isBehind(db)
  } catch {
    return false
  } finally {
    db?.close()
  }
}

function open(file: string): Connection {
  let db: Connection | undefined
  try {
    makePrivate(file)
    db = new Database(file, { timeout: busyMilliseconds })
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('trusted_schema = OFF')
    db.pragma('cache_size = -16000')
    // Pages that undo a statement or a savepoint: beyond 64 KiB SQLite would write them to a file of its own.
    db.pragma('temp_store = MEMORY')
    db.pragma('foreign_keys = OFF')
    migrate(db, file)
    db.pragma('foreign_keys = ON')
    keepPlans(db)
    return db
  } catch (cause) {
    db?.close()
    if (cause instanceof Refusal) throw cause
    throw asDamaged(file, cause) ?? cannotBeOpened(file, cause)
  }
}

/** Null for what SQLite does not say of a damaged file. SQLITE_ERROR: a schema that cannot be read, or is not that of its number. */
export function asDamaged(file: string, cause: unknown): Refusal | null {
  if (cause instanceof DamagedDatabase) return cannotBeOpened(file, cause)
  if (!/^SQLITE_(?:CORRUPT|NOTADB|ERROR)/.test((cause as { code?: string }).code ?? '')) return null
  return cannotBeOpened(file, cause, '; docs/recovery.md says what to do with a damaged database')
}

function cannotBeOpened(file: string, cause: unknown, advice = ''): Refusal {
  return new Refusal('data-folder', `${file} cannot be opened: ${(cause as Error).message}${advice}`, {
    cause,
  })
}

/**
 * With SQLITE_ENABLE_STAT4, which better-sqlite3 sets, a statement is prepared anew whenever a parameter is bound that its
 * plan might depend on (sqlite.org/c3ref/prepare.html): several times the work of most statements here. Of an expression
 * the plan does not depend, and the unary plus makes one of any value without changing it (sqlite.org/lang_expr.html). No
 * statement of this program has a question mark or an at sign that is no parameter.
 */
function keepPlans(db: Connection): void {
  const prepare = db.prepare.bind(db)
  db.prepare = ((sql: string) => prepare(sql.replaceAll(/[?@]\w*/g, '+$&'))) as typeof db.prepare
}

/**
 * Nobody else's business, unlike the tree beside it; SQLite gives the WAL the mode of the database. A database that is
 * there must not be opened here: the close would drop the locks of all connections of this process (POSIX), and another
 * program that closes the database would then take the WAL away from under them (sqlite.org/howtocorrupt.html, 2.2).
 */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function refuseNetworkFileSystem(dataFolder: string): void {
  const name = networkFileSystems.get(statfsSync(dataFolder).type)
  if (name)
    throw new Refusal(
      'data-folder',
      `The data folder ${dataFolder} is on ${name}, a network file system: SQLite needs a local one`,
    )
}
