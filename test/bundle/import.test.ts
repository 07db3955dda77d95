import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRepository } from '../../src/reference/repository.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { forged } from './archives.ts'
import { newStore, type Store } from './stores.ts'

const seqOf = async ({ storage }: Store) => (await storage.head()).seq

test('a bundle of all brings everything in its order, once', async () => {
  const [origin, target] = [newStore(), newStore()]
  const blobs = Array.from({ length: 12 }, (_, index) => newBlob({ digest: exampleDigest('ab'[index % 2]) }))
  for (const blob of blobs) await origin.upload(blob)
  const bundle = await origin.bundle()
  const report = await target.import(bundle)
  assert.deepEqual([report.added, report.present, report.removed, report.leftOut], [12, 0, 0, 0])
  const home = { kind: 'repository', name: parseRepository('team/app'), digest: exampleDigest('a') } as const
  assert.deepEqual(
    (await target.storage.slots(home)).map(({ blob }) => Buffer.from(blob)),
    blobs.filter((_, index) => index % 2 === 0),
  )
  const before = await seqOf(target)
  const again = await target.import(bundle)
  assert.deepEqual([again.added, again.present], [0, 12])
  assert.equal(await seqOf(target), before)
})

test('what is withdrawn at the source goes here, by a later bundle of either kind, and comes back with it', async () => {
  for (const kind of ['whole', 'since'] as const) {
    const [origin, target] = [newStore(), newStore()]
    const one = await origin.upload()
    await origin.upload()
    await target.import(await origin.bundle())
    const since = await seqOf(origin)
    await origin.withdraw(one)
    await origin.upload()
    const later = await origin.bundle(kind === 'whole' ? { scope: 'whole' } : { scope: 'since', since })
    const report = await target.import(later)
    assert.deepEqual([report.added, report.removed], [1, 1])
    assert.deepEqual(await target.served(), await origin.served())
    // `removed`, not `withdrawn`: nobody here has decided anything.
    const changes = await target.storage.changesAfter(0, 100)
    assert.deepEqual(changes.map((change) => change.kind).sort(), ['added', 'added', 'added', 'removed'])

    const withdrawn = await origin.storage.withdrawn(one)
    const { blob, repository, digest } = withdrawn as NonNullable<typeof withdrawn>
    const before = await seqOf(origin)
    await origin.storage.append({
      ...(withdrawn as NonNullable<typeof withdrawn>),
      home: { kind: 'repository', name: repository, digest },
      views: [],
      host: 'registry.example.com',
      checks: [],
      validBy: null,
      blob,
      reinstate: { reason: 'a mistake' },
    })
    await target.import(await origin.bundle({ scope: 'since', since: before }))
    assert.deepEqual(await target.served(), await origin.served())
  }
})

test('a bundle takes away nothing that was uploaded here, or that another source has', async () => {
  const [one, two, target] = [newStore(), newStore(), newStore()]
  const [shared, uploaded, own] = [newBlob(), newBlob(), newBlob()]
  for (const blob of [shared, uploaded, own]) await one.upload(blob)
  await two.upload(shared)
  await target.upload(uploaded)
  await target.import(await one.bundle())
  await target.import(await two.bundle())
  await one.withdraw(1, 2, 3)
  const report = await target.import(await one.bundle(), { acceptRemovals: true })
  assert.deepEqual([report.removed, (await target.served()).length], [1, 2])
})

test('a withdrawal here is final: the bundle that has the signature is told of it', async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  await origin.upload()
  const bundle = await origin.bundle()
  await target.import(bundle)
  await target.withdraw(1)
  for (const again of [bundle, await origin.bundle({ scope: 'since', since: 0 })]) {
    const report = await target.import(again)
    assert.deepEqual(
      [report.added, report.present, report.leftOut, report.reasons],
      [0, 1, 1, { withdrawn: 1 }],
    )
    assert.equal(report.refused[0]?.repository, 'team/app')
  }
})

test('a bundle that does not follow what was imported is refused, and says what is missing', async () => {
  const [origin, target] = [newStore(), newStore()]
  for (let count = 0; count < 4; count++) await origin.upload()
  const gap = await origin.bundle({ scope: 'since', since: 2 })
  await assert.rejects(target.import(gap), {
    code: 'bundle-gap',
    message: /nothing was imported yet: changes 1 to 2 are missing/,
  })
  const atFour = await origin.bundle()
  await target.import(await origin.bundle({ scope: 'since', since: 0 }))
  await origin.upload()
  await origin.upload()
  await assert.rejects(target.import(await origin.bundle({ scope: 'since', since: 5 })), {
    code: 'bundle-gap',
    message: /only those up to 4 were imported: changes 5 to 5 are missing\. .*--since 4/,
  })
  // One that overlaps is no gap.
  await target.import(await origin.bundle({ scope: 'since', since: 3 }))
  assert.deepEqual(await target.served(), await origin.served())

  await assert.rejects(target.import(atFour), {
    code: 'bundle-older',
    message: /up to change 6 was imported/,
  })
  assert.deepEqual(await target.served(), await origin.served())
  const report = await target.import(atFour, { allowOlder: true })
  assert.deepEqual([report.removed, (await target.served()).length], [2, 4])
  await target.import(await origin.bundle({ scope: 'since', since: 4 }))
  assert.deepEqual(await target.served(), await origin.served())
})

test('a log that was rewritten where the bundle is from is found out', async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  await target.import(await origin.bundle())
  await origin.upload()
  const since = await origin.bundle({ scope: 'since', since: 1 })
  const rewritten = forged(since, { head: (head) => ({ ...head, from: { seq: 1, hash: 'f'.repeat(64) } }) })
  await assert.rejects(target.import(rewritten), { code: 'bundle-gap', message: /follows another change 1/ })
  await target.import(since)
})

test('a bundle of some images changes those alone, and later ones of all go on from where they were', async () => {
  const [origin, target] = [newStore(), newStore()]
  const subjects = [{ repository: parseRepository('team/app'), digest: exampleDigest('a') }]
  const one = await origin.upload({ digest: exampleDigest('a') })
  await origin.upload({ digest: exampleDigest('b') })
  await target.import(await origin.bundle({ scope: 'images', subjects }))
  assert.equal((await target.served()).length, 1)
  const all = await origin.bundle()
  await target.import(all)
  const since = await seqOf(origin)
  await origin.withdraw(one)
  await origin.upload({ digest: exampleDigest('a') })
  await target.import(await origin.bundle({ scope: 'images', subjects }))
  assert.deepEqual(await target.served(), await origin.served())
  // It would bring the withdrawn one back.
  await assert.rejects(target.import(all), { code: 'bundle-older' })
  await target.import(await origin.bundle({ scope: 'since', since }))
  assert.deepEqual(await target.served(), await origin.served())
})

test('an import that ended halfway is done by the next one, also where that is of a later bundle', async () => {
  const [origin, target] = [newStore(), newStore()]
  // Two parts, so that there is a middle.
  const digests = Array.from({ length: 1100 }, (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`)
  await Promise.all(digests.map((digest) => origin.upload({ digest })))
  const bundle = await origin.bundle()
  const halves = [bundle.subarray(0, Math.floor(bundle.length * 0.95)), bundle]
  await assert.rejects(target.import(halves[0] as Buffer), { code: 'bundle-invalid' })
  assert.equal((await target.served()).length, 1000)
  const resumed = await target.import(bundle)
  assert.deepEqual([resumed.added, resumed.present, resumed.removed], [100, 1000, 0])

  const other = newStore()
  await assert.rejects(other.import(halves[0] as Buffer), { code: 'bundle-invalid' })
  await origin.withdraw(1, 2, 1050)
  const report = await other.import(await origin.bundle())
  assert.deepEqual([report.added, report.present, report.removed], [99, 998, 2])
  assert.deepEqual(await other.served(), await origin.served())
})

test('under a prefix it is another source, and touches nothing outside', async () => {
  const [origin, target] = [newStore(), newStore()]
  const one = await origin.upload()
  const prefix = parseRepository('vendor/mirror')
  await target.import(await origin.bundle())
  await target.import(await origin.bundle(), { prefix })
  assert.deepEqual(
    (await target.served()).map((line) => line.split('@')[0]),
    ['team/app', 'vendor/mirror/team/app'],
  )
  await origin.withdraw(one)
  await target.import(await origin.bundle(), { prefix, acceptRemovals: true })
  assert.deepEqual(
    (await target.served()).map((line) => line.split('@')[0]),
    ['team/app'],
  )
  const long = newStore()
  await long.upload({ repository: `a/${'b'.repeat(180)}` })
  const report = await target.import(await long.bundle(), { prefix: parseRepository('c'.repeat(100)) })
  assert.deepEqual(report.reasons, { 'name-too-long': 1 })
})

test('what is wrong with one signature leaves out that one, with its reason', async () => {
  const [origin, target] = [newStore(), newStore()]
  for (const letter of 'abc') await origin.upload({ digest: exampleDigest(letter) })
  const bundle = await origin.bundle()
  const change = (index: number, changes: object) =>
    forged(bundle, {
      lines: (lines) => lines.map((line, at) => (at === index ? { ...line, ...changes } : line)),
    })
  const misplaced = await target.import(change(0, { digest: exampleDigest('f') }))
  assert.deepEqual([misplaced.added, misplaced.reasons], [2, { 'digest-mismatch': 1 }])
  const renamed = await target.import(change(1, { identity: '0'.repeat(64) }))
  assert.deepEqual([renamed.added, renamed.reasons], [1, { 'bundle-invalid': 1 }])
  const small = await newStore().import(bundle, { maxBytes: 100 })
  assert.deepEqual(small.reasons, { 'too-large': 3 })
})

test('nothing but admission decides: what it refuses is not there, and what breaks it stops the import', async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  const bundle = await origin.bundle()
  const broken = async () => {
    throw new Error('broken')
  }
  await assert.rejects(target.import(bundle, { admit: broken }), /broken/)
  assert.deepEqual(await target.served(), [])
  const seen: unknown[] = []
  const admit = async (upload: object) => {
    seen.push(upload)
    throw new Error('seen')
  }
  await assert.rejects(target.import(bundle, { admit: admit as never }), /seen/)
  const [{ principal, repository, digest, source }] = seen as [Record<string, any>]
  assert.deepEqual(
    [principal.name, repository, digest, source.name],
    ['import', 'team/app', exampleDigest(), `bundle:${await origin.storage.epoch()}`],
  )
})

test('one bundle is imported at a time', async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  const lease = await target.storage.lease('bundle')
  await assert.rejects(target.import(await origin.bundle()), { code: 'busy' })
  lease?.release()
  await target.import(await origin.bundle())
})
