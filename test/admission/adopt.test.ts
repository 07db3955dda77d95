import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AdmissionRules, admission } from '../../src/admission/admit.ts'
import { adoptForeignTree, importPath } from '../../src/admission/adopt.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { project } from '../../src/tree/projector.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { exampleDigest, newBlob, variantOf } from '../signing.ts'
import { home } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

const noRules: AdmissionRules = { digestViews: [], sigstoreJson: false }

function open(rules: AdmissionRules = noRules, folder?: string) {
  const dataFolder = folder ?? temporaryFolder(() => storage.close())
  const storage: Storage = openSqlite({ dataFolder })
  const admit = admission(storage, rules)
  const tree = treeOf(dataFolder)
  const write = () =>
    project(
      storage,
      folderWriter(tree),
      { onPosition: () => {}, onSetAside: () => {} },
      { retry: true, stopped: () => false },
    )
  return { dataFolder, storage, admit, tree, write }
}

function put(root: string, path: string, content: Buffer | string): void {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), content)
}

const place = (repository: string, letter = 'a') => formatLocation(home(repository, exampleDigest(letter)))

test('a docroot is taken in, slots in their order, and every file left out is named with its reason', async () => {
  const root = temporaryFolder()
  const blobs = Array.from({ length: 12 }, () => newBlob())
  for (const [index, blob] of blobs.entries()) put(root, `${place('team/app')}/signature-${index + 1}`, blob)
  put(root, `${place('team/app')}/signature-13`, variantOf(blobs[3] as Buffer))
  put(root, `${place('prod/app')}/signature-1`, blobs[0] as Buffer)
  put(root, `${place('team/app', 'b')}/signature-1`, newBlob())
  put(root, `${place('team/app', 'c')}/signature-1`, '<html>')
  put(root, `${place('team/app', 'd')}/signature-1`, '')
  put(root, `${place('team/app', 'd')}/index.json`, '{}')
  put(root, `${place('team/app', 'e')}/signature-1`, Buffer.alloc(4 * 1024 * 1024 + 1))
  put(root, 'README', 'hello')
  symlinkSync('/etc/passwd', join(root, 'signature-1'))
  const { storage, admit } = open()
  const report = await importPath(root, { admit, storage, places: 'by-claim' })
  assert.deepEqual([report.added, report.present], [13, 1])
  assert.deepEqual(
    report.refused.map(({ path, code }) => [path.split('/').slice(-1)[0], code]),
    [
      ['README', 'bad-request'],
      ['signature-1', 'bad-request'],
      ['signature-1', 'digest-mismatch'],
      ['signature-1', 'not-openpgp'],
      ['index.json', 'bad-request'],
      ['signature-1', 'empty'],
      ['signature-1', 'too-large'],
    ],
  )
  const slots = await storage.slots(home('team/app', exampleDigest()))
  assert.deepEqual(
    slots.map(({ blob }) => Buffer.from(blob)),
    blobs,
  )
  assert.equal((await storage.slots(home('prod/app', exampleDigest()))).length, 1)
  const again = await importPath(root, { admit, storage, places: 'by-claim' })
  assert.deepEqual([again.added, again.present, again.refused.length], [0, 14, 7])
})

test('what cannot be read, or is no file, is named, and keeps nothing else out', async () => {
  const root = temporaryFolder()
  const link = join(temporaryFolder(), 'link')
  symlinkSync(root, link)
  put(root, `${place('team/app')}/signature-1`, newBlob())
  put(root, `${place('team/app')}/${'x'.repeat(255)}`, 'long')
  execFileSync('mkfifo', [join(root, `${place('team/app')}/signature-2`)])
  symlinkSync('/nowhere', join(root, `${place('team/app')}/signature-3`))
  symlinkSync('.', join(root, 'loop'))
  mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]))
  const opened = open()
  const { storage, admit, tree } = opened
  for (const docroot of [root, link]) {
    const report = await importPath(docroot, { admit, storage, places: 'by-claim' })
    assert.deepEqual([report.added + report.present, report.refused.length], [1, 5])
  }
  const missing = importPath(join(root, 'missing'), { admit, storage, places: 'by-claim' })
  await assert.rejects(missing, { code: 'configuration' })
  const pipe = importPath(join(root, `${place('team/app')}/signature-2`), {
    admit,
    storage,
    places: 'by-claim',
  })
  assert.equal((await pipe).refused.length, 1)

  // The same as a tree that another database wrote.
  mkdirSync(tree.root)
  execFileSync('cp', ['-a', `${root}/.`, tree.root])
  const adopted = await adoptForeignTree(storage, tree, admit)
  assert.deepEqual([adopted?.present, adopted?.refused.length], [1, 5])
  await opened.write()
  const { damage } = await fsck(storage, { tree, repair: true, onProgress: () => {} })
  // Only what Node cannot name stays, and is told of.
  assert.deepEqual(
    damage.filter(({ repaired }) => !repaired).map(({ kind }) => kind),
    ['unknown-file'],
  )
})

test('a docroot without prefixes goes under the prefixes of its registries', async () => {
  const root = temporaryFolder()
  put(root, `${place('team/app')}/signature-1`, newBlob({ reference: 'quay.io/team/app:1' }))
  put(root, `${place('team/app')}/signature-2`, newBlob({ reference: 'docker.io/team/app:1' }))
  put(
    root,
    `sha256=${'b'.repeat(64)}/signature-1`,
    newBlob({ reference: 'quay.io/team/other:1', digest: exampleDigest('b') }),
  )
  const { storage, admit } = open({ ...noRules, registries: [{ host: 'quay.io', prefix: 'quay.io' }] })
  const report = await importPath(root, { admit, storage, places: 'by-claim' })
  assert.equal(report.added, 2)
  assert.deepEqual(
    report.refused.map(({ code }) => code),
    ['registry-not-served'],
  )
  assert.equal((await storage.slots(home('quay.io/team/app', exampleDigest()))).length, 1)
  assert.equal((await storage.slots(home('quay.io/team/other', exampleDigest('b')))).length, 1)
})

test('a single file is taken in at its usual place', async () => {
  const file = join(temporaryFolder(), 'some.sig')
  writeFileSync(file, newBlob())
  const { storage, admit } = open()
  assert.equal((await importPath(file, { admit, storage, places: 'by-claim' })).added, 1)
  assert.equal((await storage.slots(home('team/app', exampleDigest()))).length, 1)
})

async function upload({ admit }: ReturnType<typeof open>, bytes: Buffer, repository: string | null = null) {
  const principal = { name: 'x', scopes: [{ action: 'admin' } as const] }
  await admit({
    bytes,
    principal,
    actor: 'x',
    origin: commandLine,
    repository: repository as never,
    digest: null,
  })
}

test('the tree of a new database is not adopted, and one of this database is left alone', async () => {
  const opened = open()
  assert.equal(await adoptForeignTree(opened.storage, opened.tree, opened.admit), null)
  await upload(opened, newBlob())
  await opened.write()
  const epoch = await opened.storage.epoch()
  assert.equal(await adoptForeignTree(opened.storage, opened.tree, opened.admit), null)
  assert.equal(await opened.storage.epoch(), epoch)
})

test('after a restore of an older database, what only the tree has is taken in before anything is written', async () => {
  const first = open({ digestViews: [{ base: 'all', repositories: ['**'] }], sigstoreJson: false })
  const before = newBlob()
  await upload(first, before)
  await first.write()
  const backup = temporaryFolder()
  const later = [newBlob(), newBlob(), newBlob({ digest: exampleDigest('b') })]
  const relocated = newBlob({ digest: exampleDigest('c') })

  // A copy of the database as it was, beside the tree as it became.
  const restored = join(backup, 'data')
  await first.storage.close()
  cpSync(first.dataFolder, restored, { recursive: true })
  const now = open(
    { digestViews: [{ base: 'all', repositories: ['**'] }], sigstoreJson: false },
    first.dataFolder,
  )
  for (const blob of later) await upload(now, blob)
  await upload(now, relocated, 'prod/app')
  await now.write()
  put(now.tree.root, `${place('junk/app')}/signature-1`, 'junk')
  await now.storage.close()
  rmSync(join(restored, 'tree'), { recursive: true })
  cpSync(now.tree.root, join(restored, 'tree'), { recursive: true })

  const after = open({ digestViews: [{ base: 'all', repositories: ['**'] }], sigstoreJson: false }, restored)
  const epoch = await after.storage.epoch()
  const fresh = newBlob()
  const report = await adoptForeignTree(after.storage, after.tree, after.admit)
  assert.deepEqual([report?.added, report?.refused.length], [4, 1])
  assert.notEqual(await after.storage.epoch(), epoch)
  await upload(after, fresh)
  await after.write()
  const blobs = async (repository: string, letter = 'a') =>
    (await after.storage.slots(home(repository, exampleDigest(letter)))).map(({ blob }) =>
      Buffer.from(blob).toString('hex'),
    )
  const hex = (blob: Buffer) => blob.toString('hex')
  assert.deepEqual(
    await blobs('team/app'),
    [before, later[0], later[1], fresh].map((blob) => hex(blob as Buffer)),
  )
  assert.deepEqual(await blobs('prod/app', 'c'), [hex(relocated)])
  assert.deepEqual(
    await blobs('team/app', 'c'),
    [],
    'a view does not put a relocated signature back to where its claim says',
  )
  assert.ok(readdirSync(join(after.tree.lostAndFound, place('junk/app')))[0]?.startsWith('signature-1~'))
  const report2 = await fsck(after.storage, { tree: after.tree, repair: false, onProgress: () => {} })
  assert.deepEqual(report2.damage, [])
  await after.storage.close()
})

test('a lost database is rebuilt from the tree', async () => {
  const first = open()
  for (let count = 0; count < 5; count++) await upload(first, newBlob())
  await first.write()
  await first.storage.close()
  for (const name of readdirSync(first.dataFolder))
    if (name.startsWith('lookaside.db')) rmSync(join(first.dataFolder, name))
  const second = open(noRules, first.dataFolder)
  const report = await adoptForeignTree(second.storage, second.tree, second.admit)
  assert.equal(report?.added, 5)
  await second.write()
  assert.equal(existsSync(second.tree.lostAndFound), false)
  assert.equal(await adoptForeignTree(second.storage, second.tree, second.admit), null)
  await second.storage.close()
})

test('a database that is moved away meanwhile keeps no signature out of the tree', async () => {
  const { dataFolder, storage, admit, tree } = open()
  const slot = join(tree.root, place('team/app'), 'signature-1')
  put(tree.root, `${place('team/app')}/signature-1`, newBlob())
  renameSync(join(dataFolder, 'lookaside.db'), join(dataFolder, 'moved'))
  await assert.rejects(adoptForeignTree(storage, tree, admit), { code: 'data-folder' })
  assert.ok(existsSync(slot))
  renameSync(join(dataFolder, 'moved'), join(dataFolder, 'lookaside.db'))
  assert.equal((await adoptForeignTree(storage, tree, admit))?.added, 1)
})
