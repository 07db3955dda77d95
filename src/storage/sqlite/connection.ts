import { closeSync, mkdirSync, openSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Refusal } from '../../refusal.ts'
import { holdLock } from './lock.ts'
import { migrate } from './migrate.ts'

export type Connection = Database.Database

/** How long a statement waits for another process's write before it is refused as `busy`. */
const busyMilliseconds = 10_000

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
 * Opens `lookaside.db` in a data folder, makes what is missing, and brings an older schema up to date.
 * @throws Refusal data-folder where the folder cannot hold a database or holds a newer one
 */
export function connect(dataFolder: string): Connection {
  try {
    mkdirSync(dataFolder, { recursive: true })
  } catch (cause) {
    throw new Refusal(
      'data-folder',
      `The data folder ${dataFolder} cannot be made: ${(cause as Error).message}`,
      { cause },
    )
  }
  refuseNetworkFileSystem(dataFolder)
  const lock = holdLock(dataFolder, 'open', busyMilliseconds)
  try {
    return open(join(dataFolder, 'lookaside.db'))
  } finally {
    lock?.release()
  }
}

function open(file: string): Connection {
  let db: Connection | undefined
  try {
    // Nobody else's business, unlike the tree beside it; SQLite gives the WAL the mode of the database.
    closeSync(openSync(file, 'a', 0o600))
    db = new Database(file, { timeout: busyMilliseconds })
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    db.pragma('trusted_schema = OFF')
    db.pragma('cache_size = -16000')
    migrate(db, file)
    return db
  } catch (cause) {
    db?.close()
    if (cause instanceof Refusal) throw cause
    throw new Refusal('data-folder', `${file} cannot be opened: ${(cause as Error).message}`, { cause })
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
