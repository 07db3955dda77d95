import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { admission } from '../../src/admission/admit.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { project } from '../../src/tree/projector.ts'
import { publishedBacklog, publishedTree, publishLease } from '../../src/tree/published.ts'
import { newBlob } from '../signing.ts'
import { digest, home } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'
import { readDocroot, readSlots } from './published.ts'

/** A data folder without a tree of its own, and what is published of it. */
async function published(directory = join(temporaryFolder(), 'site')) {
  const folder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder: folder })
  const admit = admission(storage, { digestViews: [], sigstoreJson: false })
  const principal = { name: 'test', scopes: [{ action: 'admin' as const }] }
  const add = (letter: string) =>
    admit({
      bytes: newBlob({ digest: digest(letter) }),
      principal,
      actor: 'test',
      origin: commandLine,
      repository: null,
      digest: null,
    })
  for (const letter of ['a', 'b', 'c']) for (let count = 0; count < 3; count++) await add(letter)
  const events = { onPosition: () => {}, onSetAside: () => {} }
  const source = { ...storage, ...publishedBacklog(directory) }
  const write = () =>
    project(source, folderWriter(publishedTree(directory)), events, { retry: true, stopped: () => false })
  const check = (repair = false) =>
    fsck(storage, { tree: null, publish: [directory], repair, onProgress: () => {} })
  const file = (letter: string, slot: number) =>
    join(directory, formatLocation(home('team/app', digest(letter))), `signature-${slot}`)
  const isInStep = async () => assert.deepEqual(await readDocroot(directory), await readSlots(storage))
  return { directory, storage, add, write, check, file, isInStep }
}

test('missing, altered and unknown files of a published directory are found, and repaired where no server runs', async () => {
  const { directory, write, check, file, isInStep } = await published()
  await write()
  assert.deepEqual(await check(), {
    changes: 9,
    locations: 3,
    signatures: 9,
    pending: 0,
    damaged: 0,
    repaired: 0,
    damage: [],
  })

  rmSync(file('a', 2))
  writeFileSync(file('b', 3), 'altered')
  writeFileSync(file('c', 4), 'unknown')
  const unknown = join(dirname(file('d', 1)), 'signature-1')
  mkdirSync(dirname(unknown))
  for (const path of [unknown, join(directory, 'robots.txt')]) writeFileSync(path, 'unknown')
  const expected = [
    ['missing-file', file('a', 2)],
    ['different-file', file('b', 3)],
    ['unknown-file', file('c', 4)],
    ['unknown-file', unknown],
    ['unknown-file', join(directory, 'robots.txt')],
  ]
  const told = async (repair = false) =>
    (await check(repair)).damage.map(({ kind, where, repaired }) => [kind, where, repaired])
  assert.deepEqual(
    await told(),
    expected.map((each) => [...each, false]),
  )
  assert.deepEqual(
    await told(true),
    expected.map((each) => [...each, true]),
  )
  assert.deepEqual((await check()).damage, [])
  await isInStep()
  const kept = readdirSync(join(directory, '.lookaside/lost+found'), { recursive: true, encoding: 'utf8' })
  assert.equal(kept.filter((name) => /~/.test(name)).length, 4)
})

test('a published directory that is behind is compared as far as it has come; repair writes the rest', async () => {
  const { storage, add, write, check, file, isInStep } = await published()
  const unwritten = await check()
  assert.deepEqual([unwritten.pending, unwritten.damage], [3, []])
  await write()
  await add('a')
  await add('d')
  await storage.withdraw([5], { actor: 'test', reason: null, graceSeconds: 300 })
  rmSync(file('b', 1))
  rmSync(file('c', 3))
  const behind = await check()
  assert.deepEqual([behind.pending, behind.damage.map(({ where }) => where)], [3, [file('c', 3)]])
  const repaired = await check(true)
  assert.deepEqual([repaired.pending, repaired.damage.map((damage) => damage.repaired)], [0, [true]])
  await isInStep()
})

test('while a server keeps a published directory, repair has the server write', async () => {
  const { directory, storage, write, check, file, isInStep } = await published()
  await write()
  const lease = await storage.lease(publishLease(directory))
  assert.ok(lease)
  rmSync(dirname(file('a', 1)), { recursive: true })
  mkdirSync(dirname(file('e', 1)))
  writeFileSync(file('e', 1), 'unknown')
  const repairing = check(true)
  const own = join(directory, '.lookaside')
  while (!readdirSync(own).some((name) => name.startsWith('asked-')))
    await new Promise((resolve) => setImmediate(resolve))
  await write()
  assert.deepEqual(
    (await repairing).damage.map(({ repaired }) => repaired),
    [true, true, true, true],
  )
  lease.release()
  await isInStep()
  assert.deepEqual(readdirSync(own).sort(), ['backlog.json', 'lost+found', 'tmp'])
  assert.deepEqual(await publishedBacklog(directory).backlog(), [])
})

test('what is asked of a server that ends before it has written it is written by the next one', async () => {
  const { directory, storage, write, check, file, isInStep } = await published()
  await write()
  const lease = await storage.lease(publishLease(directory))
  rmSync(file('a', 3))
  const repairing = check(true)
  const taken = publishedBacklog(directory)
  while (!(await taken.backlog()).length) await new Promise((resolve) => setImmediate(resolve))
  // The holder that has taken it in is gone; what it knew is in its file.
  const next = publishedBacklog(directory)
  const [entry] = await next.backlog()
  assert.deepEqual([entry?.location, entry?.error], [home('team/app', digest('a')), null])
  await project(
    { ...storage, ...next },
    folderWriter(publishedTree(directory)),
    { onPosition: () => {}, onSetAside: () => {} },
    { retry: false, stopped: () => false },
  )
  assert.deepEqual(
    (await repairing).damage.map(({ repaired }) => repaired),
    [true],
  )
  lease?.release()
  await isInStep()
})

test('a directory that holds what is not of this log is told of, and not touched', async () => {
  const one = await published()
  await one.write()
  const other = await published(one.directory)
  const before = await readDocroot(one.directory)
  const { damage } = await other.check(true)
  assert.deepEqual(
    damage.map(({ kind, where, repaired }) => [kind, where, repaired]),
    [['unknown-tree', one.directory, false]],
  )
  assert.deepEqual(await readDocroot(one.directory), before)
  assert.deepEqual((await one.check()).damage, [])
})

test('the lost+found of a file system is nothing unknown, and a directory that cannot be made is told of', async () => {
  const folder = temporaryFolder()
  const mounted = await published(join(folder, 'mount'))
  mkdirSync(join(mounted.directory, 'lost+found'), { recursive: true })
  await mounted.write()
  assert.deepEqual((await mounted.check()).damage, [])

  writeFileSync(join(folder, 'disk'), 'no folder')
  const away = await published(join(folder, 'disk/site'))
  const { damage } = await away.check(true)
  assert.deepEqual(
    damage.map(({ kind, where, repaired }) => [kind, where, repaired]),
    [['unknown-tree', away.directory, false]],
  )
  assert.ok(!existsSync(away.directory))
})
