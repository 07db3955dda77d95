import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { hasPassed, isTrail, newTrail } from '../../src/bundle/trail.ts'
import { forged } from './archives.ts'
import { newCourier, signerOf } from './courier.ts'
import { newStore, type Store } from './stores.ts'

const reader = { format: 1, epoch: '0'.repeat(32), scope: 'since' } as const
const listing = { count: 0, parts: [] }
const at = (seq: number) => ({ seq, hash: hash('sha256', String(seq), 'hex') })

test('a trail shows of each change that it goes over whether it is of the same history', () => {
  for (const [from, to, first] of [
    [0, 0, 1],
    [3, 10, 4],
    [7, 100_007, 8],
    [7, 250_000, 150_001],
  ] as const) {
    const stretch = { scope: 'since' as const, from: at(from), to: at(to) }
    const trail = newTrail(stretch)
    for (let seq = from + 1; seq <= to + 2; seq++) trail.add(at(seq))
    const head = { ...reader, ...stretch, trail: trail.toString(), signatures: listing, withdrawals: listing }
    assert.ok(isTrail(head.trail, stretch))
    assert.equal(isTrail(`${head.trail}00000000`, stretch), false)
    const seen = [from, first, first + 1, (first + to) >> 1, to - 1, to].filter(
      (seq) => seq === from || (seq >= first && seq <= to),
    )
    for (const seq of seen) {
      assert.equal(hasPassed(head, at(seq)), true, `${seq} of ${from} to ${to}`)
      assert.equal(hasPassed(head, { ...at(seq), hash: at(seq + 1).hash }), false)
    }
    for (const seq of [from - 1, to + 1, ...(first - 1 > from ? [from + 1, first - 1] : [])])
      assert.equal(hasPassed(head, at(seq)), null, `${seq} of ${from} to ${to}`)
  }
  for (const scope of ['whole', 'images'] as const) {
    const trail = newTrail({ scope, from: at(0), to: at(5) })
    trail.add(at(3))
    assert.equal(trail.toString(), '')
  }
})

const uploaded = async (count: number) => {
  const store = newStore()
  for (let index = 0; index < count; index++) await store.upload()
  return store
}

/** What a store says of the changes after one, under the epoch of another. */
const inTheNameOf = async (origin: Store, store: Store, since: number) => {
  const epoch = await origin.storage.epoch()
  return forged(await store.bundle({ scope: 'since', since }), { head: (head) => ({ ...head, epoch }) })
}

test('a bundle of another history of the log is refused wherever it begins and ends', async () => {
  const [origin, target] = [await uploaded(4), newStore()]
  await target.import(await origin.bundle())
  const before = await target.served()
  for (const [length, sinces] of [
    [4, [0, 2, 4]],
    [7, [0, 1, 3, 4]],
  ] as const) {
    const other = await uploaded(length)
    for (const since of sinces)
      await assert.rejects(target.import(await inTheNameOf(origin, other, since)), {
        code: 'bundle-gap',
        message: /follows another change 4/,
      })
  }
  assert.deepEqual(await target.served(), before)
  await origin.upload()
  for (const since of [0, 1, 3, 4, 5]) await target.import(await origin.bundle({ scope: 'since', since }))
  assert.deepEqual(await target.served(), await origin.served())
})

test('a bundle that begins long before what was imported cannot show that it is of the same history', async () => {
  const [origin, target] = [await uploaded(4), newStore()]
  await target.import(await origin.bundle())
  const bundle = forged(await origin.bundle({ scope: 'since', since: 0 }), {
    head: (head) => ({ ...head, to: at(100_005), trail: '0'.repeat(800_000) }),
  })
  await assert.rejects(target.import(bundle), {
    code: 'bundle-gap',
    message: /begins too long before change 4/,
  })
})

/** It has nothing, and says that the log goes on as far as numbers do. */
const farAhead = async (origin: Store) => {
  const epoch = await origin.storage.epoch()
  return forged(await newStore().bundle({ scope: 'images', subjects: [] }), {
    head: (head) => ({ ...head, epoch, to: at(Number.MAX_SAFE_INTEGER) }),
  })
}

test('who locks genuine bundles out by one that nobody signed is undone by the latest of all', async () => {
  const [origin, target] = [await uploaded(2), newStore()]
  await target.import(await origin.bundle())
  await target.import(await farAhead(origin))
  await origin.upload()
  const all = await origin.bundle()
  await assert.rejects(target.import(all), {
    code: 'bundle-older',
    message: /not genuine, import the latest bundle of all with --allow-older and --require-signature/,
  })
  await target.import(all, { allowOlder: true })
  await origin.upload()
  await target.import(await origin.bundle({ scope: 'since', since: 3 }))
  assert.deepEqual(await target.served(), await origin.served())
})

test('where bundles are signed nobody locks genuine ones out', async () => {
  const [origin, target] = [await uploaded(2), newStore()]
  const courier = await newCourier('courier')
  const importSigned = async (bundle: Buffer) => {
    const signed = await courier.sign(bundle)
    return target.import(signed, { signer: await signerOf(signed, courier) })
  }
  await importSigned(await origin.bundle())
  await assert.rejects(target.import(await farAhead(origin)), { code: 'bundle-not-signed' })
  await origin.upload()
  assert.equal((await importSigned(await origin.bundle({ scope: 'since', since: 2 }))).added, 1)
})
