import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Database from 'better-sqlite3'
import { holdLock } from '../../src/storage/sqlite/lock.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { temporaryFolder } from '../temporary.ts'
import { auditContract } from './audit-contract.ts'
import { catalogContract } from './catalog-contract.ts'
import { newSignature, storageContract } from './contract.ts'
import { folderContract } from './folder-contract.ts'
import { recordContract } from './record-contract.ts'
import { sourcesContract } from './sources-contract.ts'
import { supersedingContract } from './superseding-contract.ts'
import { verdictContract } from './verdict-contract.ts'
import { viewContract } from './view-contract.ts'
import { walkContract } from './walk-contract.ts'
import { withdrawingContract } from './withdrawing-contract.ts'

const opened: Storage[] = []
after(() => Promise.all(opened.map((storage) => storage.close())))

function open(dataFolder: string, clock?: () => number): Storage {
  const storage = openSqlite({ dataFolder, ...(clock && { clock }) })
  opened.push(storage)
  return storage
}

for (const contract of [
  storageContract,
  viewContract,
  recordContract,
  verdictContract,
  supersedingContract,
  folderContract,
  catalogContract,
  withdrawingContract,
  walkContract,
  sourcesContract,
  auditContract,
])
  contract('the SQLite store', (clock) => {
    const folder = temporaryFolder()
    return { storage: open(folder, clock), again: () => open(folder, clock) }
  })

test('waits for a process that brings the database up to date, and not for one that hangs', () => {
  const dataFolder = temporaryFolder()
  open(dataFolder)
  const opening = holdLock(dataFolder, 'open', 0)
  const openAgain = (onWaiting: () => void) => openSqlite({ dataFolder, openMilliseconds: 1, onWaiting })
  const refused = { code: 'data-folder', message: /has been opening .* for too long/ }
  assert.throws(() => openAgain(assert.fail), refused)

  const db = new Database(join(dataFolder, 'lookaside.db'))
  const schema = db.pragma('user_version', { simple: true }) as number
  db.pragma(`user_version = ${schema - 1}`)
  let waited = 0
  const migrated = () => {
    if (++waited < 3) return
    db.pragma(`user_version = ${schema}`)
    opening?.release()
  }
  opened.push(openAgain(migrated))
  assert.equal(waited, 3)
  db.close()
})

test('a database of a newer schema is refused with a line that says so', async () => {
  const folder = temporaryFolder()
  await openSqlite({ dataFolder: folder }).close()
  const db = new Database(join(folder, 'lookaside.db'))
  db.pragma('user_version = 9999')
  db.close()
  assert.throws(() => openSqlite({ dataFolder: folder }), {
    code: 'data-folder',
    message: /schema 9999.*newer/,
  })
})

test('what is no database is refused, and left as it is', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'lookaside.db'), 'x'.repeat(5000))
  assert.throws(() => openSqlite({ dataFolder: folder }), { code: 'data-folder' })
  assert.equal(statSync(join(folder, 'lookaside.db')).size, 5000)
})

test('only its owner can read the database, which holds hashes of tokens', async () => {
  const folder = temporaryFolder()
  const storage = open(folder)
  await storage.append(newSignature())
  for (const file of ['lookaside.db', 'lookaside.db-wal'])
    assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
})

test('no other program can have the database for itself, or take the WAL away, while a process has it open', async () => {
  const folder = temporaryFolder()
  await open(folder).append(newSignature())
  // Another thread of a server does this.
  await open(folder).append(newSignature())
  const elsewhere = `
    const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 0 })
    db.pragma('locking_mode = EXCLUSIVE')
    db.prepare('SELECT count(*) FROM changes').get()`
  const { stderr } = spawnSync(process.execPath, ['-e', elsewhere, join(folder, 'lookaside.db')], {
    encoding: 'utf8',
  })
  assert.match(stderr, /database is locked/)
})

test('a folder without a database is refused where none is to be made, and left as it is', () => {
  const folder = temporaryFolder()
  for (const dataFolder of [folder, join(folder, 'missing')])
    assert.throws(() => openSqlite({ dataFolder, create: false }), { code: 'data-folder' })
  assert.deepEqual(readdirSync(folder), [])
})

test('the log can be neither rewritten nor shortened, even by hand', async () => {
  const folder = temporaryFolder()
  await open(folder).append(newSignature())
  const db = new Database(join(folder, 'lookaside.db'))
  assert.throws(() => db.exec("UPDATE changes SET actor = 'x'"), /append-only/)
  assert.throws(() => db.exec('DELETE FROM changes'), /append-only/)
  db.close()
})

test('the database is in WAL mode, so that readers never wait for a commit', () => {
  const folder = temporaryFolder()
  open(folder)
  const db = new Database(join(folder, 'lookaside.db'))
  assert.equal(db.pragma('journal_mode', { simple: true }), 'wal')
  db.close()
})

test('a row that is missed where others lead to it is told of as damage', async () => {
  const folder = temporaryFolder()
  const storage = open(folder)
  const signature = newSignature()
  const { signature: stored } = await storage.append(signature)
  await storage.withdraw([stored.id], { actor: 'test', reason: null, graceSeconds: 0 })
  const db = new Database(join(folder, 'lookaside.db'))
  db.pragma('foreign_keys = OFF')
  db.exec("DROP TRIGGER changes_are_kept; DELETE FROM changes WHERE kind = 'withdrawn'")
  db.close()
  await assert.rejects(storage.append(signature), {
    name: 'DamagedDatabase',
    message: /^Change 2 is stored, and cannot be found: the database is damaged; see docs\/recovery\.md/,
  })
})
