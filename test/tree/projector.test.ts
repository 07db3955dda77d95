import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatLocation, type Location } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { readPosition, writePosition } from '../../src/tree/position.ts'
import { ForeignTree, project } from '../../src/tree/projector.ts'
import { type Tree, treeOf } from '../../src/tree/tree.ts'
import { digest, home, newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

interface Opened {
  storage: Storage
  tree: Tree
  /** Projects to the end; returns what was set aside. */
  run(options?: { retry?: boolean; known?: boolean }): Promise<string[]>
  file(location: Location, slot: number): string
}

function open(): Opened {
  const folder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder: folder })
  const tree = treeOf(folder)
  return {
    storage,
    tree,
    async run({ retry = false, known = false } = {}) {
      const setAside: string[] = []
      const events = {
        onPosition: () => {},
        onSetAside: (location: Location) => void setAside.push(formatLocation(location)),
      }
      await project(storage, folderWriter(tree), events, { retry, known, stopped: () => false })
      return setAside
    },
    file: (location, slot) => join(tree.root, formatLocation(location), `signature-${slot}`),
  }
}

const positionOf = async (storage: Storage) => ({
  ...(await storage.head()),
  version: await storage.version(),
})

test('the tree holds each slot byte for byte, and says how far it has come', async () => {
  const { storage, tree, run, file } = open()
  const view = { kind: 'view', name: '', digest: digest('a') } as const
  const one = newSignature({ views: [view] })
  const two = newSignature()
  const other = newSignature({ home: home('deeply/nested/app', digest('b')) })
  for (const signature of [one, two, other]) await storage.append(signature)
  await run()
  assert.deepEqual(readFileSync(file(one.home, 1)), one.blob)
  assert.deepEqual(readFileSync(file(two.home, 2)), two.blob)
  assert.deepEqual(readFileSync(file(other.home, 1)), other.blob)
  assert.deepEqual(readFileSync(file(view, 1)), one.blob)
  assert.deepEqual(await readPosition(tree), await positionOf(storage))
  assert.deepEqual(readdirSync(tree.staging), [])
})

test('a replay from any older position, or over a damaged tree, ends in the same tree', async () => {
  const { storage, tree, run, file } = open()
  const signatures = Array.from({ length: 6 }, (_, index) =>
    newSignature({ home: home('team/app', digest(`${index % 2}`)) }),
  )
  for (const signature of signatures) await storage.append(signature)
  await run()
  for (let seq = 0; seq <= 6; seq++) {
    rmSync(file(home('team/app', digest('0')), 2))
    writeFileSync(file(home('team/app', digest('1')), 1), 'half')
    await writePosition(tree, { ...((await storage.position(seq)) ?? assert.fail()), version: seq })
    await storage.append(newSignature({ home: home('team/app', digest('0')) }))
    await storage.append(newSignature({ home: home('team/app', digest('1')) }))
    await run()
    for (const letter of ['0', '1']) {
      const location = home('team/app', digest(letter))
      for (const { slot, blob } of await storage.slots(location))
        assert.deepEqual(readFileSync(file(location, slot)), blob)
    }
  }
})

test('a directory that cannot be written is set aside with an alarm, and the others go on', async () => {
  const { storage, tree, run, file } = open()
  const blocked = newSignature({ home: home('blocked/app') })
  const fine = newSignature({ home: home('fine/app') })
  mkdirSync(tree.root, { recursive: true })
  await run()
  writeFileSync(join(tree.root, 'blocked'), 'a file where a folder must be')
  await storage.append(blocked)
  await storage.append(fine)
  assert.deepEqual(await run(), [formatLocation(blocked.home)])
  assert.deepEqual(readFileSync(file(fine.home, 1)), fine.blob)
  assert.deepEqual(await readPosition(tree), await positionOf(storage))
  assert.match((await storage.backlog())[0]?.error ?? '', /ENOTDIR|EEXIST/)
  assert.deepEqual(await run(), [], 'it is not tried at every commit')
  rmSync(join(tree.root, 'blocked'))
  assert.deepEqual(await run({ retry: true }), [])
  assert.deepEqual(readFileSync(file(blocked.home, 1)), blocked.blob)
  assert.deepEqual(await storage.backlog(), [])
})

test('the tree of another database is not touched', async () => {
  const { storage, tree, run } = open()
  await storage.append(newSignature())
  mkdirSync(tree.root, { recursive: true })
  writeFileSync(join(tree.root, 'something'), 'unknown')
  await assert.rejects(run(), ForeignTree)
  rmSync(join(tree.root, 'something'))
  await run()
  await writePosition(tree, { seq: 1, hash: 'f'.repeat(64), version: 1 })
  await assert.rejects(run(), ForeignTree)
  await writePosition(tree, { seq: 99, hash: 'f'.repeat(64), version: 99 })
  await assert.rejects(run(), ForeignTree)
})

test('a file that no signature explains goes to lost+found, and is neither overwritten nor deleted', async () => {
  const { storage, tree, run, file } = open()
  await run()
  const location = home('team/app')
  mkdirSync(join(tree.root, formatLocation(location)), { recursive: true })
  writeFileSync(file(location, 1), 'in the way')
  writeFileSync(file(location, 9), 'behind')
  const signature = newSignature({ home: location })
  await storage.append(signature)
  await run()
  assert.deepEqual(readFileSync(file(location, 1)), signature.blob)
  assert.equal(existsSync(file(location, 9)), false)
  const kept = readdirSync(join(tree.lostAndFound, formatLocation(location))).sort()
  assert.equal(kept.length, 2)
  assert.match(kept[0] ?? '', /^signature-1~[0-9a-f]{16}$/)
  assert.match(kept[1] ?? '', /^signature-9~[0-9a-f]{16}$/)
})

test('a view that is no longer configured leaves the tree, and its empty folders with it', async () => {
  const { storage, tree, run } = open()
  await storage.append(newSignature())
  await storage.configureViews([{ base: 'openshift/release', repositories: ['**'] }])
  await run()
  assert.ok(existsSync(join(tree.root, 'openshift/release', digest('a').replace(':', '='), 'signature-1')))
  await storage.configureViews([])
  await run()
  assert.equal(existsSync(join(tree.root, 'openshift')), false)
  assert.equal(existsSync(tree.lostAndFound), false)
})

test('what is no file where a slot belongs goes to lost+found, and holds nothing up', async () => {
  const { storage, tree, run, file } = open()
  const signatures = ['a', 'b', 'c'].map((letter) => newSignature({ home: home('team/app', digest(letter)) }))
  const [pipe, link, folder] = signatures.map(({ home }) => file(home, 1)) as [string, string, string]
  await run()
  for (const path of [pipe, link, folder]) mkdirSync(join(path, '..'), { recursive: true })
  execFileSync('mkfifo', [pipe])
  symlinkSync('/nowhere', link)
  mkdirSync(join(folder, 'in'), { recursive: true })
  for (const signature of signatures) await storage.append(signature)
  assert.deepEqual(await run(), [])
  for (const { home, blob } of signatures) assert.deepEqual(readFileSync(file(home, 1)), blob)
  assert.equal(readdirSync(join(tree.lostAndFound, 'team'), { recursive: true }).length, 7)
})

test('a tree that is removed while it is written is noticed, and then all of it is written again', async () => {
  const { storage, tree, run, file } = open()
  const [one, two] = ['a', 'b'].map((letter) => newSignature({ home: home('team/app', digest(letter)) }))
  assert.ok(one && two)
  await storage.append(one)
  await run()
  await storage.append(two)
  const removing = {
    ...storage,
    // Before the position is written, and after this directory was.
    slots: async (location: Location) => {
      rmSync(join(tree.root, '.position'))
      rmSync(file(one.home, 1))
      return storage.slots(location)
    },
  }
  const events = { onPosition: () => {}, onSetAside: () => {} }
  const options = { retry: false, known: true, stopped: () => false }
  await assert.rejects(project(removing, folderWriter(tree), events, options), /was removed/)
  await run({ known: true })
  for (const { home, blob } of [one, two]) assert.deepEqual(readFileSync(file(home, 1)), blob)
})
