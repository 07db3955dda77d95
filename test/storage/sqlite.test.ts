import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Database from 'better-sqlite3'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { temporaryFolder } from '../temporary.ts'
import { newSignature, storageContract } from './contract.ts'

const opened: Storage[] = []
after(() => Promise.all(opened.map((storage) => storage.close())))

function open(dataFolder: string, clock?: () => number): Storage {
  const storage = openSqlite({ dataFolder, ...(clock && { clock }) })
  opened.push(storage)
  return storage
}

storageContract('the SQLite store', (clock) => {
  const folder = temporaryFolder()
  return { storage: open(folder, clock), again: () => open(folder, clock) }
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
