import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { layLocation } from '../../src/tree/lay.ts'
import { treeOf } from '../../src/tree/tree.ts'
import type { Writer } from '../../src/tree/writer.ts'
import { home, newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'
import { readDocroot, readSlots } from './published.ts'

const grace = 300

/** A store whose clock goes when it is told to, and a tree of which each step is looked at. */
function open() {
  const dataFolder = temporaryFolder(() => storage.close())
  const time = { seconds: 1_700_000_000 }
  const storage = openSqlite({ dataFolder, clock: () => time.seconds * 1000 })
  const tree = treeOf(dataFolder)
  const folder = folderWriter(tree)
  const location = home('team/app')
  /** What readers find after each step, and when, by its kind. */
  const steps: { step: string; at: number; slots: number[] }[] = []
  const look = (step: string) => {
    const names = readdirSync(join(tree.root, formatLocation(location)))
    const slots = names.map((name) => Number(name.slice('signature-'.length))).sort((a, b) => a - b)
    steps.push({ step, at: performance.now(), slots })
  }
  const writer: Writer = {
    ...folder,
    async put(at, name, ...content) {
      await folder.put(at, name, ...content)
      look(`put ${name}`)
    },
    async remove(at, name) {
      await folder.remove(at, name)
      look(`remove ${name}`)
    },
  }
  return {
    storage,
    time,
    tree,
    steps,
    async add(count: number) {
      for (let added = 0; added < count; added++) await storage.append(newSignature({ home: location }))
    },
    async withdraw(...ids: number[]) {
      time.seconds += 2
      await storage.withdraw(ids, { actor: 'tester', reason: null, graceSeconds: grace })
    },
    async endGrace() {
      time.seconds += grace
      await storage.endGrace(100, grace)
    },
    async lay() {
      await folder.begin()
      await layLocation(storage, writer, location)
      assert.deepEqual(await readDocroot(tree.root), await readSlots(storage))
    },
  }
}

test('no step leaves a hole, however much has changed since the last time', async () => {
  const { steps, add, withdraw, endGrace, lay } = open()
  await add(6)
  await lay()
  await withdraw(2, 4)
  await lay()
  await endGrace()
  await add(4)
  await lay()
  await withdraw(1, 3, 7)
  await endGrace()
  await withdraw(5)
  await add(1)
  await lay()
  await endGrace()
  await lay()
  await withdraw(6, 8, 9, 10, 11)
  await endGrace()
  await lay()
  assert.ok(steps.length > 20)
  for (const { step, slots } of steps)
    assert.deepEqual(
      slots,
      Array.from(slots, (_, index) => index + 1),
      `a hole after ${step}`,
    )
})

test('readers who are past the hole still find the last signature where it was', async () => {
  const { steps, add, withdraw, endGrace, lay } = open()
  await add(3)
  await lay()
  await withdraw(1)
  await lay()
  assert.deepEqual(steps.pop()?.slots, [1, 2, 3])
  await endGrace()
  steps.length = 0
  await lay()
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['remove signature-3'],
  )
})

test('where the tree was behind by more than the grace time, readers are given the time of a walk', async () => {
  const { steps, add, withdraw, endGrace, lay } = open()
  await add(3)
  await lay()
  await withdraw(1)
  await endGrace()
  steps.length = 0
  await lay()
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['put signature-1', 'remove signature-3'],
  )
  assert.ok((steps[1]?.at ?? 0) - (steps[0]?.at ?? 0) >= 990)

  // The same where something else has taken the last slot meanwhile.
  await add(1)
  await lay()
  await withdraw(2)
  await endGrace()
  await add(1)
  steps.length = 0
  await lay()
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['put signature-2', 'put signature-3'],
  )
  assert.ok((steps[1]?.at ?? 0) - (steps[0]?.at ?? 0) >= 990)
})
