import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wanted } from '../../src/bundle/select.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { forged } from './archives.ts'
import { newStore, type Store } from './stores.ts'

const code = 'bundle-removes-most'
const subjects = [{ repository: parseRepository('team/app'), digest: exampleDigest() }]
const every = ['whole', 'since', 'images'] as const

async function uploaded(count: number): Promise<{ origin: Store; target: Store }> {
  const [origin, target] = [newStore(), newStore()]
  for (let index = 0; index < count; index++) await origin.upload()
  await target.import(await origin.bundle())
  return { origin, target }
}

const wanted = (scope: Wanted['scope'], since: number): Wanted => {
  if (scope === 'images') return { scope, subjects }
  return scope === 'whole' ? { scope } : { scope, since }
}

const sourceOf = async ({ storage }: Store) => {
  const [source] = await storage.sources()
  assert.ok(source)
  return source
}

const stateOf = async (store: Store) => {
  const { to, newest } = JSON.parse((await sourceOf(store)).state as string)
  return { to, newest }
}

test('an empty bundle of a known epoch takes nothing away, however far it says that its log goes', async () => {
  const { target } = await uploaded(50)
  const { name } = await sourceOf(target)
  const before = [await target.served(), await stateOf(target)]
  const to = { seq: 1000, hash: 'f'.repeat(64) }
  const empty = forged(await newStore().bundle(), {
    head: (head) => ({ ...head, epoch: name.slice('bundle:'.length), to }),
  })
  await assert.rejects(target.import(empty), { code, message: /take away 50 of the 50 signatures/ })
  assert.deepEqual([await target.served(), await stateOf(target)], before)
})

for (const scope of every)
  test(`a bundle of scope ${scope} that takes most away is held before anything goes, until that is accepted`, async () => {
    const { origin, target } = await uploaded(20)
    await origin.withdraw(...Array.from({ length: 11 }, (_, index) => index + 1))
    // What comes with it is no sign that the others are right.
    for (let index = 0; index < 30; index++) await origin.upload()
    const bundle = await origin.bundle(wanted(scope, 20))
    const state = await stateOf(target)
    for (let time = 1; time <= 2; time++) {
      await assert.rejects(target.import(bundle), { code, message: /take away 11 of the 20 signatures/ })
      // What was admitted until then stays.
      assert.equal((await target.served()).length, 50)
      assert.deepEqual(await stateOf(target), state)
    }
    const report = await target.import(bundle, { acceptRemovals: true })
    assert.equal(report.removed, 11)
    assert.deepEqual(await target.served(), await origin.served())
    assert.notDeepEqual(await stateOf(target), state)
  })

for (const scope of every)
  test(`a bundle of scope ${scope} takes away half of many, or all but one of few, and not the last one`, async () => {
    const { origin, target } = await uploaded(20)
    await origin.withdraw(...Array.from({ length: 10 }, (_, index) => index + 1))
    assert.equal((await target.import(await origin.bundle(wanted(scope, 20)))).removed, 10)

    const few = await uploaded(9)
    await few.origin.withdraw(...Array.from({ length: 8 }, (_, index) => index + 1))
    const removed = await few.target.import(await few.origin.bundle(wanted(scope, 9)))
    assert.equal(removed.removed, 8)
    await few.origin.withdraw(9)
    const since = 17
    await assert.rejects(few.target.import(await few.origin.bundle(wanted(scope, since))), {
      code,
      message: /take away 1 of the 1 signatures/,
    })
  })

test('withdrawals of what is not here, or was withdrawn here, count for nothing and are no hindrance', async () => {
  const { origin, target } = await uploaded(12)
  for (let index = 0; index < 20; index++) await origin.upload()
  await target.withdraw(...Array.from({ length: 6 }, (_, index) => index + 1))
  await origin.withdraw(1, 2, 3, 4, 5, 6, ...Array.from({ length: 20 }, (_, index) => index + 13))
  const report = await target.import(await origin.bundle({ scope: 'since', since: 12 }))
  assert.deepEqual([report.removed, (await target.served()).length], [0, 6])
  const { name } = await sourceOf(target)
  assert.equal(await target.storage.contributed(name, 100), 6)
})

test('what an import brought that did not end is not taken away all at once', async () => {
  const [origin, target] = [newStore(), newStore()]
  const blobs = Array.from({ length: 12 }, () => newBlob())
  for (const blob of blobs) await origin.upload(blob)
  const bundle = await origin.bundle()
  await assert.rejects(target.import(bundle.subarray(0, -1)), { code: 'bundle-invalid' })
  await origin.withdraw(...blobs.map((_, index) => index + 1))
  await origin.upload()
  await assert.rejects(target.import(await origin.bundle()), { code, message: /12 of the 13/ })
})

test('a signature that cannot be taken away ends an import, and does not keep it for ever', {
  timeout: 60_000,
}, async () => {
  const { origin, target } = await uploaded(3)
  await origin.withdraw(1)
  const { storage } = target
  const stuck = { retract: async () => 0 }
  const broken = Object.assign(Object.create(storage), stuck) as typeof storage
  await assert.rejects(target.import(await origin.bundle(), { storage: broken }), /cannot be taken away/)
  const report = await target.import(await origin.bundle())
  assert.equal(report.removed, 1)
})
