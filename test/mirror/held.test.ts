import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listingSource } from '../../src/mirror/listing.ts'
import { acceptRemovals } from '../../src/mirror/notes.ts'
import { HeldBack } from '../../src/mirror/trouble.ts'
import { newStaticCopy } from './static-copy.ts'
import { fileAt, slotPath, treeServer } from './tree-server.ts'

const forty = Array.from({ length: 40 }, (_, index) => slotPath('a', 1, `team/app${index}@`))

/** A copy of a tree of forty signatures, and a clock that stands still. */
async function copyOfForty() {
  const time = { now: Date.now() }
  const clock = () => time.now
  const tree = await treeServer()
  for (const path of forty) tree.files.set(path, fileAt(path))
  const copy = await newStaticCopy(tree.from, { clock })
  const source = listingSource({ fetch: copy.fetch, from: tree.from, clock })
  const round = () => copy.copy(source)
  await round()
  assert.equal(Object.keys(await copy.held()).length, 40)
  return { ...copy, tree, time, round, count: async () => Object.keys(await copy.held()).length }
}

const held = (missing: number) => (error: unknown) => error instanceof HeldBack && error.missing === missing

test('copies of one signature at invented repositories are no sign that the others are still there', async () => {
  const { tree, round, count } = await copyOfForty()
  const [one] = tree.files.values()
  assert.ok(one)
  tree.files.clear()
  for (let index = 0; index < 45; index++) tree.files.set(slotPath('a', 1, `invented/app${index}@`), one)
  await assert.rejects(round(), held(40))
  // They come in, and make no difference in the next round either.
  assert.equal(await count(), 85)
  await assert.rejects(round(), held(40))
  assert.equal(await count(), 85)
})

test('who accepts removals accepts those that were missing, and no more', async () => {
  const { tree, round, count, storage, source, time } = await copyOfForty()
  for (const path of forty.slice(19)) tree.files.delete(path)
  await assert.rejects(round(), held(21))
  time.now += 1000
  assert.equal(await acceptRemovals(storage, source, time.now), true)
  tree.files.clear()
  time.now += 1000
  await assert.rejects(round(), held(40))
  await assert.rejects(round(), held(40))
  assert.equal(await count(), 40)
  time.now += 1000
  assert.equal(await acceptRemovals(storage, source, time.now), true)
  await round()
  assert.equal(await count(), 0)
  assert.equal(await acceptRemovals(storage, source, time.now), false)
})

test('of what was accepted, fewer may go', async () => {
  const { tree, round, count, storage, source, time } = await copyOfForty()
  for (const path of forty.slice(10)) tree.files.delete(path)
  await assert.rejects(round(), held(30))
  time.now += 1000
  await acceptRemovals(storage, source, time.now)
  for (const path of forty.slice(10, 15)) tree.files.set(path, fileAt(path))
  await round()
  assert.equal(await count(), 15)
})
