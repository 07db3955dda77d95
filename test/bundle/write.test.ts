import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { compress, compressions, decompress } from '../../src/bundle/compression.ts'
import { draftBundle } from '../../src/bundle/write.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { newSignature } from '../storage/contract.ts'
import { filesOf, headOf } from './archives.ts'
import { joined, newStore, piecesOf } from './stores.ts'

const linesOf = (archive: Buffer, kind: string) =>
  filesOf(archive)
    .filter(({ name }) => name.startsWith(kind) && name.endsWith('.jsonl'))
    .flatMap(({ content }) => content.toString().trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('the same log gives the same octets, the same with each compression, in pieces of any size', async () => {
  const store = newStore()
  for (const letter of 'abcabc') await store.upload({ digest: exampleDigest(letter) })
  await store.withdraw(2)
  const archive = await store.bundle()
  assert.deepEqual(await store.bundle(), archive)
  for (const compression of compressions) {
    const [one = Buffer.alloc(0), other] = await Promise.all(
      [65_536, 65_536].map(async (size) => await joined(compress(piecesOf(archive, size), compression))),
    )
    assert.deepEqual(one, other)
    for (const size of [1, 511, 1_000_000])
      assert.deepEqual(
        await joined(decompress(piecesOf(one, size))),
        archive,
        `${compression}, in pieces of ${size}`,
      )
  }
})

test('every file has the name, the hash and the place that was said before it', async () => {
  const store = newStore()
  const blobs = Array.from({ length: 4 }, (_, index) => newBlob({ digest: exampleDigest('abcd'[index]) }))
  for (const blob of blobs) await store.upload(blob)
  const files = filesOf(await store.bundle())
  const names = files.map(({ name }) => name)
  assert.deepEqual(names, names.toSorted())
  assert.equal(names[0], 'lookaside-bundle.json')
  const { epoch, from, to, scope, signatures, withdrawals } = headOf(files)
  assert.equal(epoch, await store.storage.epoch())
  assert.deepEqual([from.seq, to], [0, await store.storage.head()])
  assert.deepEqual([scope, signatures.count, withdrawals.count], ['whole', 4, 0])
  assert.deepEqual(signatures.parts, [
    { sha256: hash('sha256', files[1]?.content ?? ''), size: files[1]?.content.length },
  ])
  assert.deepEqual(
    files.slice(2).map(({ name, content }) => [name, hash('sha256', content)]),
    blobs
      .map((blob) => hash('sha256', blob))
      .sort()
      .map((sha256) => [`signatures/00000001/${sha256}`, sha256]),
  )
})

test('all, what came since, and what is of some digests: each as the log has it at its end', async () => {
  const store = newStore()
  const one = await store.upload({ digest: exampleDigest('a') })
  const two = await store.upload({ digest: exampleDigest('b') })
  const { seq: since } = await store.storage.head()
  const three = await store.upload({ digest: exampleDigest('a') })
  const four = await store.upload({ digest: exampleDigest('c') })
  await store.withdraw(one, four)

  const idsOf = (archive: Buffer) =>
    ['signatures', 'withdrawals'].map((kind) =>
      linesOf(archive, kind).map(({ id, kind: reason }) => (reason ? [id, reason] : id)),
    )
  assert.deepEqual(idsOf(await store.bundle()), [[two, three], []])
  const later = await store.bundle({ scope: 'since', since })
  assert.deepEqual(idsOf(later), [
    [three],
    [
      [one, 'withdrawn'],
      [four, 'withdrawn'],
    ],
  ])
  assert.equal(headOf(filesOf(later)).from.hash, (await store.storage.position(since))?.hash)
  const subjects = [{ repository: parseRepository('team/app'), digest: exampleDigest('a') }]
  assert.deepEqual(idsOf(await store.bundle({ scope: 'images', subjects })), [[three], [[one, 'withdrawn']]])
  const nothing = await store.bundle({ scope: 'since', since: (await store.storage.head()).seq })
  assert.deepEqual(idsOf(nothing), [[], []])
  await assert.rejects(store.bundle({ scope: 'since', since: 1000 }), RangeError)
})

test('what happens while a bundle is written is not in it', async () => {
  const store = newStore()
  const one = await store.upload()
  const draft = await draftBundle(store.storage, { scope: 'whole' })
  const before = await joined(draft.archive(null))
  await store.withdraw(one)
  await store.upload()
  assert.deepEqual(await joined(draft.archive(null)), before)
  assert.notDeepEqual(await store.bundle(), before)
})

test('a withdrawal is of every copy of a signature, and a copy that stays keeps the others from being told of', async () => {
  const store = newStore()
  const fingerprint = 'F'.repeat(40)
  await store.storage.setKeyring([
    { fingerprint, keyId: '0123456789ABCDEF', primaryFingerprint: fingerprint, userId: null, timeline: [] },
  ])
  const spoilt = newSignature()
  const good = newSignature({ identity: spoilt.identity, checks: [{ fingerprint, result: 'good' }] })
  await store.storage.append(spoilt)
  const { outcome, signature } = await store.storage.append(good)
  assert.deepEqual([outcome, signature.id, signature.sha256], ['added', 2, good.sha256])
  assert.equal((await store.storage.changesAfter(2, 1))[0]?.kind, 'superseded')

  const both = await store.bundle({ scope: 'since', since: 0 })
  assert.deepEqual(
    linesOf(both, 'signatures').map(({ id }) => id),
    [2],
  )
  assert.deepEqual(linesOf(both, 'withdrawals'), [])
  await store.withdraw(1)
  assert.deepEqual(linesOf(await store.bundle(), 'signatures'), [])
  const gone = linesOf(await store.bundle({ scope: 'since', since: 0 }), 'withdrawals')
  assert.deepEqual(
    gone.map(({ id, identity }) => [id, identity]),
    [
      [1, spoilt.identity],
      [2, spoilt.identity],
    ],
  )
})

test('a part ends at a thousand lines, or where its blobs would be too large for memory', async () => {
  const store = newStore()
  const append = (index: number, size: number) => {
    const letter = Math.floor(index / 100).toString(16)
    const blob = Buffer.alloc(size, `${index},`)
    return store.storage.append(
      newSignature({
        blob,
        home: { kind: 'repository', name: `a/${index}` as never, digest: exampleDigest(letter) },
      }),
    )
  }
  await Promise.all(Array.from({ length: 1001 }, (_, index) => append(index, 50)))
  const small = filesOf(await store.bundle())
  assert.equal(headOf(small).signatures.count, 1001)
  assert.deepEqual(
    [small[1]?.name, small.at(-2)?.name],
    ['signatures/00000001.jsonl', 'signatures/00000002.jsonl'],
  )
  const large = newStore()
  for (let index = 0; index < 5; index++)
    await large.storage.append(
      newSignature({
        blob: Buffer.alloc(2_500_000, `${index}`),
        home: { kind: 'repository', name: `a/${index}` as never, digest: exampleDigest('a') },
      }),
    )
  const files = filesOf(await large.bundle())
  assert.deepEqual(
    files
      .filter(({ name }) => name.endsWith('l'))
      .map(({ content }) => content.toString().split('\n').length - 1),
    [3, 2],
  )
})
