import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { project } from '../../src/tree/projector.ts'
import { treeLease, treeOf } from '../../src/tree/tree.ts'
import { digest, home, newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

async function written() {
  const folder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder: folder })
  const tree = treeOf(folder)
  for (const letter of ['a', 'b', 'c'])
    for (let count = 0; count < 3; count++)
      await storage.append(newSignature({ home: home('team/app', digest(letter)) }))
  const events = { onPosition: () => {}, onSetAside: () => {} }
  const write = () => project(storage, tree, events, { retry: true, stopped: () => false })
  await write()
  const check = async (repair = false) => fsck(storage, { tree, repair, onProgress: () => {} })
  const file = (letter: string, slot: number) =>
    join(tree.root, formatLocation(home('team/app', digest(letter))), `signature-${slot}`)
  return { folder, storage, tree, check, file, write }
}

test('a sound data folder is clean', async () => {
  const { check } = await written()
  assert.deepEqual(await check(), { changes: 9, locations: 3, signatures: 9, pending: 0, damage: [] })
})

test('missing, altered and unknown files are found, and repair makes the tree what the database says', async () => {
  const { check, file, tree, storage } = await written()
  rmSync(file('a', 2))
  writeFileSync(file('b', 3), 'altered')
  writeFileSync(file('c', 4), 'unknown')
  mkdirSync(join(tree.root, 'x/y'), { recursive: true })
  writeFileSync(join(tree.root, 'x/y/z'), 'unknown')
  symlinkSync('/etc/passwd', join(tree.root, 'x/link'))
  const found = (await check()).damage
    .map(({ kind, where }) => [kind, where.replace(/.*(?=signature)/, '')])
    .sort()
  assert.deepEqual(found, [
    ['different-file', 'signature-3'],
    ['missing-file', 'signature-2'],
    ['unknown-file', 'signature-4'],
    ['unknown-file', 'x/link'],
    ['unknown-file', 'x/y/z'],
  ])
  const repaired = await check(true)
  assert.ok(repaired.damage.every((damage) => damage.repaired))
  assert.deepEqual((await check()).damage, [])
  assert.equal(existsSync(join(tree.root, 'x')), false)
  for (const letter of ['a', 'b', 'c'])
    for (const { slot, blob } of await storage.slots(home('team/app', digest(letter))))
      assert.deepEqual(readFileSync(file(letter, slot)), blob)
  assert.ok(existsSync(join(tree.lostAndFound, 'x/y')))
})

test('while a server holds the tree, repair has the server write', async () => {
  const { check, file, storage, write } = await written()
  rmSync(dirname(file('a', 1)), { recursive: true })
  const lease = await storage.lease(treeLease)
  assert.ok(lease)
  const repairing = check(true)
  while (!(await storage.backlog()).length) await new Promise((resolve) => setImmediate(resolve))
  await write()
  assert.ok((await repairing).damage.every((damage) => damage.repaired))
  lease.release()
  assert.deepEqual((await check()).damage, [])
})

test('what the projector has still to write is told, and is no damage', async () => {
  const { check, storage } = await written()
  await storage.append(newSignature({ home: home('new/app') }))
  const report = await check()
  assert.equal(report.pending, 1)
  assert.deepEqual(report.damage, [])
})

test('a change altered behind the back of the program breaks the chain, and an altered blob its hash', async () => {
  const { check, folder } = await written()
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('DROP TRIGGER changes_are_final')
  db.exec("UPDATE changes SET actor = 'token:9 nobody' WHERE seq = 4")
  db.exec('UPDATE signatures SET blob = zeroblob(60) WHERE id = 5')
  db.exec('DELETE FROM slots WHERE signature = 1')
  db.close()
  const kinds = (await check()).damage.map(
    ({ kind, where }) => `${kind} ${where.replace(/.*(?=signature-)/, '')}`,
  )
  for (const wanted of ['log change 4', 'blob signature 5', 'hole signature-2'])
    assert.ok(kinds.includes(wanted), wanted)
})

test('a chain cannot be mended by recomputing the hashes of one row alone', async () => {
  const { check, folder } = await written()
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('DROP TRIGGER changes_are_final')
  db.exec('UPDATE changes SET hash = randomblob(32) WHERE seq = 9')
  db.close()
  assert.deepEqual(
    (await check()).damage.map(({ where }) => where),
    ['change 9'],
  )
})
