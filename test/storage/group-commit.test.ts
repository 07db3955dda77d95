import assert from 'node:assert/strict'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { groupCommit } from '../../src/storage/sqlite/group-commit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { temporaryFolder } from '../temporary.ts'
import { digest, home, newSignature } from './contract.ts'

function open() {
  const db = new Database(':memory:')
  db.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY, name TEXT UNIQUE)')
  const insert = db.prepare('INSERT INTO entries (name) VALUES (?)')
  const write = groupCommit(db)
  return {
    write,
    insert: (name: string) => insert.run(name).lastInsertRowid,
    names: () => db.prepare('SELECT name FROM entries ORDER BY id').pluck().all(),
    ended: (jobs: Promise<unknown>[]) =>
      Promise.allSettled(jobs).then((ends) => ends.map((end) => end.status)),
  }
}

test('a job that throws after it wrote is undone, and the others of the commit are kept, in their order', async () => {
  const { write, insert, names, ended } = open()
  const jobs = [
    write(() => insert('one')),
    write(() => {
      insert('half')
      throw new Error('after it wrote')
    }),
    write(() => insert('two')),
    write(() => {
      insert('half')
      insert('one')
    }),
    write(() => insert('half')),
  ]
  assert.deepEqual(await ended(jobs), ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
  assert.deepEqual(names(), ['one', 'two', 'half'])
})

test('a job that throws before it writes has no other run again', async () => {
  const { write, insert, names, ended } = open()
  let runs = 0
  const jobs = [
    write(() => {
      runs++
      return insert('one')
    }),
    write(() => {
      throw new Error('before it wrote')
    }),
  ]
  assert.deepEqual(await ended(jobs), ['fulfilled', 'rejected'])
  assert.equal(runs, 1)
  assert.deepEqual(names(), ['one'])
})

test('what is answered of a signature that was just added is what is found of it afterwards', async () => {
  const storage = openSqlite({ dataFolder: temporaryFolder(() => storage.close()) })
  const places = [home('team/app'), home('team/app'), home('team/app', digest('b')), home('team/app')]
  for (const place of places) {
    const { signature } = await storage.append(newSignature({ home: place }))
    const found = (await storage.find(signature.id)) ?? assert.fail()
    assert.deepEqual({ ...signature, blob: Buffer.from(signature.blob) }, found)
  }
})
