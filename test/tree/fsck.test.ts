import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { admission } from '../../src/admission/admit.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { project } from '../../src/tree/projector.ts'
import { treeLease, treeOf } from '../../src/tree/tree.ts'
import { newBlob } from '../signing.ts'
import { digest, home } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

async function written() {
  const folder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder: folder })
  const tree = treeOf(folder)
  const admit = admission(storage, { digestViews: [], sigstoreJson: false })
  const principal = { name: 'test', scopes: [{ action: 'admin' as const }] }
  const add = (bytes: Buffer) =>
    admit({ bytes, principal, actor: 'test', origin: commandLine, repository: null, digest: null })
  for (const letter of ['a', 'b', 'c'])
    for (let count = 0; count < 3; count++) await add(newBlob({ digest: digest(letter) }))
  const events = { onPosition: () => {}, onSetAside: () => {} }
  const write = () => project(storage, folderWriter(tree), events, { retry: true, stopped: () => false })
  await write()
  const check = async (repair = false) => fsck(storage, { tree, repair, onProgress: () => {} })
  const file = (letter: string, slot: number) =>
    join(tree.root, formatLocation(home('team/app', digest(letter))), `signature-${slot}`)
  return { folder, storage, tree, add, check, file, write }
}

const clean = { changes: 9, locations: 3, signatures: 9, pending: 0, damaged: 0, repaired: 0, damage: [] }

test('a sound data folder is clean', async () => {
  const { check } = await written()
  assert.deepEqual(await check(), clean)
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

test('damage is mended in parts, and of very much of it only the first is told', async () => {
  const { check, tree, file } = await written()
  const unknown = (count: number) => {
    for (let index = 0; index < count; index++) writeFileSync(join(tree.root, `unknown-${index}`), '')
  }
  rmSync(file('a', 2))
  unknown(1050)
  const repaired = await check(true)
  assert.deepEqual([repaired.damaged, repaired.repaired, repaired.damage.length], [1051, 1051, 1051])
  assert.equal(readdirSync(tree.lostAndFound).length, 1050)
  assert.deepEqual(await check(), clean)
  unknown(10_020)
  const found = await check()
  assert.deepEqual([found.damaged, found.repaired, found.damage.length], [10_020, 0, 10_000])
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
  const { check, add } = await written()
  await add(newBlob({ digest: digest('d') }))
  const report = await check()
  assert.equal(report.pending, 1)
  assert.deepEqual(report.damage, [])
})

test('a withdrawn signature that the projector has still to take away is no unknown file', async () => {
  const { check, storage, file, write } = await written()
  await storage.withdraw([3], { actor: 'test', reason: null, graceSeconds: 300 })
  assert.ok(existsSync(file('a', 3)))
  assert.deepEqual((await check()).damage, [])
  await write()
  assert.ok(!existsSync(file('a', 3)))
})

test('where no server runs, repair writes what none has come to write, and a tree that is gone', async () => {
  const { check, add, tree, storage, file } = await written()
  await add(newBlob({ digest: digest('d') }))
  rmSync(tree.root, { recursive: true })
  const report = await check(true)
  assert.deepEqual([report.pending, report.damage.every(({ repaired }) => repaired)], [0, true])
  assert.deepEqual((await check()).damage, [])
  const [slot] = await storage.slots(home('team/app', digest('d')))
  assert.deepEqual(readFileSync(file('d', 1)), slot?.blob)
})

/** What somebody with the file might do to it, and what is said of that. */
const alterations: [what: string, statement: string, damage: RegExp][] = [
  ['a last slot removed', 'DELETE FROM slots WHERE signature = 3', /signature 3 has no slot/],
  [
    'a slot led to a signature of another digest',
    'UPDATE slots SET signature = 4 WHERE signature = 3',
    /signature 4 has a slot where it does not belong/,
  ],
  [
    'a signature without a change',
    'DROP TRIGGER changes_are_kept; DELETE FROM changes WHERE seq = 9',
    /signature 9 was never added/,
  ],
  [
    'a signature moved to another repository',
    "INSERT INTO places (kind, name) VALUES ('repository', 'x'); UPDATE signatures SET place = last_insert_rowid() WHERE id = 2",
    /signature 2 is at another repository/,
  ],
  ['the list of views taken', "DELETE FROM meta WHERE key = 'views'", /meta lacks views/],
  ['the list of views spoilt', "UPDATE meta SET value = '[' WHERE key = 'views'", /meta lacks views/],
  ['another key', "UPDATE signatures SET unverified_key_id = '00' WHERE id = 2", /says key id 00, the sig/],
  ['another expiry', 'UPDATE signatures SET unverified_expires = 1 WHERE id = 2', /says expiry 1, /],
  ['another identity', 'UPDATE signatures SET identity = randomblob(32) WHERE id = 2', /says identity/],
  [
    'another reference',
    "UPDATE signatures SET docker_reference = 'x/y:1' WHERE id = 2",
    /docker-reference x/,
  ],
]

for (const [what, statement, expected] of alterations)
  test(`${what} behind the back of the program is found`, async () => {
    const { check, folder } = await written()
    const db = new Database(join(folder, 'lookaside.db'))
    db.exec(statement)
    db.close()
    const found = (await check()).damage.map(({ where, detail }) => `${where} ${detail}`)
    assert.ok(
      found.some((line) => expected.test(line)),
      found.join('\n'),
    )
  })

test('a change altered behind the back of the program breaks the chain, and an altered blob its hash', async () => {
  const { check, folder } = await written()
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('DROP TRIGGER changes_are_final')
  db.exec("UPDATE changes SET actor = 'token:9 nobody' WHERE seq = 4")
  db.exec('UPDATE signatures SET blob = zeroblob(60) WHERE id = 5')
  db.exec('DELETE FROM slots WHERE signature = 1')
  // One that is no longer served is kept, and looked at, all the same.
  db.exec('UPDATE signatures SET superseded_by = 3, blob = zeroblob(9) WHERE id = 2')
  db.exec('DELETE FROM slots WHERE signature = 2')
  db.close()
  const kinds = (await check()).damage.map(
    ({ kind, where }) => `${kind} ${where.replace(/.*(?=signature-)/, '')}`,
  )
  for (const wanted of ['log change 4', 'blob signature 5', 'blob signature 2', 'hole signature-3'])
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

function rootPage(database: string, table: string): number {
  const db = new Database(database, { readonly: true })
  try {
    return db.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table) as number
  } finally {
    db.close()
  }
}

test('what cannot be mended is told with its reason, and the rest is mended', async () => {
  const { check, file, tree } = await written()
  rmSync(file('b', 2))
  writeFileSync(file('a', 4), 'unknown')
  writeFileSync(tree.lostAndFound, 'no folder')
  const told = (await check(true)).damage.map(({ where, detail, repaired }) => {
    return [where.replace(/.*(?=signature)/, ''), /, and it cannot be written: E/.test(detail), repaired]
  })
  assert.deepEqual(told.sort(), [
    ['signature-2', false, true],
    ['signature-4', true, false],
  ])
  assert.ok(existsSync(file('b', 2)) && existsSync(file('a', 4)))
})

test('where nothing can be written, what was found is told all the same', async () => {
  const { check, file, folder, tree } = await written()
  rmSync(file('b', 2))
  mkdirSync(join(tree.root, 'x'))
  writeFileSync(join(tree.root, 'x/y'), 'unknown')
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('UPDATE signatures SET blob = zeroblob(60) WHERE id = 5')
  db.close()
  rmSync(tree.staging, { recursive: true, force: true })
  writeFileSync(tree.staging, 'no folder')
  const told = (await check(true)).damage.map(({ kind, repaired }) => `${kind} ${repaired}`)
  assert.deepEqual(told.sort(), [
    'blob false',
    'missing-file false',
    'unknown-file true',
    'unknown-tree false',
  ])
})

for (const table of ['signatures', 'slots'])
  test(`a database of which ${table} cannot be read through is told of, and nothing is written from it`, async () => {
    const { folder, storage, file } = await written()
    await storage.close()
    const database = join(folder, 'lookaside.db')
    // The last close has put everything into the file.
    const bytes = readFileSync(database)
    const start = 4096 * (rootPage(database, table) - 1)
    bytes.fill(0xff, start, start + 4096)
    writeFileSync(database, bytes)
    const again = openSqlite({ dataFolder: folder })
    try {
      rmSync(file('a', 1))
      const { damage, signatures } = await fsck(again, {
        tree: treeOf(folder),
        repair: true,
        adopt: () => assert.fail('by a damaged database'),
        onProgress: () => {},
      })
      assert.equal(signatures, table === 'slots' ? 9 : 0)
      assert.deepEqual(
        new Set(damage.map(({ kind, repaired }) => `${kind} ${repaired}`)),
        new Set(['database false']),
      )
      assert.ok(damage.some(({ detail }) => detail.startsWith('Nothing more can be checked: ')))
      assert.deepEqual([existsSync(file('a', 1)), existsSync(file('a', 2))], [false, true])
    } finally {
      await again.close()
    }
  })

test('a tree is not made what a database says that contradicts itself', async () => {
  const { check, folder, file } = await written()
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('DELETE FROM slots WHERE signature = 3')
  db.close()
  const told = (await check(true)).damage.map(({ kind, repaired }) => `${kind} ${repaired}`)
  assert.deepEqual(told.sort(), ['database false', 'unknown-file false'])
  assert.ok(existsSync(file('a', 3)))
})
