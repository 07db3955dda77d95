import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { parseDigest } from '../../src/reference/digest.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import type { Location } from '../../src/reference/tree-path.ts'
import { Refusal } from '../../src/refusal.ts'
import { chainHash, chainStart } from '../../src/storage/chain.ts'
import type { NewSignature, Storage } from '../../src/storage/storage.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export const digest = (letter: string) => parseDigest(`sha256:${letter.repeat(64)}`)

export const home = (repository: string, of = digest('a')) =>
  ({ kind: 'repository', name: parseRepository(repository), digest: of }) as const

export function newSignature(overrides: Partial<NewSignature> = {}): NewSignature {
  const blob = overrides.blob ?? randomBytes(60)
  return {
    home: home('team/app'),
    views: [],
    identity: sha256(blob),
    sha256: sha256(blob),
    format: 'simple-signing',
    host: 'registry.example.com',
    dockerReference: 'registry.example.com/team/app:1',
    signer: {
      unverifiedKeyId: '0123456789ABCDEF',
      unverifiedFingerprint: null,
      unverifiedCreated: 1_700_000_000,
      unverifiedExpires: null,
    },
    checks: [],
    validBy: null,
    actor: 'token:1 ci',
    ...overrides,
    blob,
  }
}

export interface Opened {
  storage: Storage
  /** The same store, as another process has it. */
  again(): Storage
}

/** What every storage must do. `open` gives an empty one. */
export function storageContract(name: string, open: (clock?: () => number) => Opened): void {
  const slotsOf = async (storage: Storage, location: Location) =>
    (await storage.slots(location)).map(({ slot, sha256 }) => [slot, sha256])

  describe(name, () => {
    test('an appended signature is in the next slot, in the log, and found by its number', async () => {
      const { storage } = open(() => 1_700_000_000_900)
      const one = newSignature()
      const two = newSignature()
      const first = await storage.append(one)
      const second = await storage.append(two)
      assert.deepEqual([first.outcome, first.signature.id, first.signature.slot], ['added', 1, 1])
      assert.deepEqual([second.outcome, second.signature.id, second.signature.slot], ['added', 2, 2])
      assert.deepEqual(await slotsOf(storage, one.home), [
        [1, one.sha256],
        [2, two.sha256],
      ])
      const [slot] = await storage.slots(one.home)
      assert.equal(slot?.modified, 1_700_000_000)
      assert.deepEqual(Buffer.from(slot?.blob ?? []), Buffer.from(one.blob))
      const found = await storage.find(2)
      assert.equal(found?.identity, two.identity)
      assert.equal(found?.actor, 'token:1 ci')
      assert.equal(found?.added, 1_700_000_000_900)
      assert.deepEqual(found?.signer, two.signer)
      assert.equal(await storage.find(3), null)
      assert.equal(await storage.holds(one.sha256), true)
      assert.equal(await storage.holds(sha256(Buffer.from('other'))), false)
    })

    test('another form of a stored signature takes no slot and writes no change', async () => {
      const { storage } = open()
      const original = newSignature()
      await storage.append(original)
      const variant = newSignature({ identity: original.identity })
      const answer = await storage.append(variant)
      assert.equal(answer.outcome, 'present')
      assert.equal(answer.signature.sha256, original.sha256)
      assert.equal((await storage.head()).seq, 1)
      assert.equal((await storage.slots(original.home)).length, 1)
      const elsewhere = await storage.append(
        newSignature({ identity: original.identity, home: home('prod/app') }),
      )
      assert.equal(elsewhere.outcome, 'added')
    })

    test('each change carries the hash of the one before and of itself', async () => {
      const { storage } = open()
      for (let count = 0; count < 5; count++) await storage.append(newSignature())
      let previous = chainStart
      const changes = await storage.changesAfter(0, 10)
      assert.deepEqual(
        changes.map(({ seq, kind }) => [seq, kind]),
        [1, 2, 3, 4, 5].map((seq) => [seq, 'added']),
      )
      for (const change of changes) {
        assert.equal(change.hash, chainHash(previous, change))
        previous = change.hash
      }
      assert.deepEqual(await storage.head(), { seq: 5, hash: previous })
      assert.deepEqual(await storage.position(5), { seq: 5, hash: previous })
      assert.deepEqual(await storage.position(0), { seq: 0, hash: chainStart })
      assert.equal(await storage.position(6), null)
      assert.deepEqual(
        (await storage.changesAfter(2, 2)).map(({ seq }) => seq),
        [3, 4],
      )
    })

    test('the 128th signature of a digest is refused, and so is what clients could not read at once; nothing of it is kept', async () => {
      const { storage } = open()
      await Promise.all(Array.from({ length: 127 }, () => storage.append(newSignature())))
      const full = { code: 'too-many-signatures' }
      await assert.rejects(storage.append(newSignature()), full)
      const large = () => newSignature({ home: home('large/app'), blob: randomBytes(1024 * 1024) })
      for (let count = 0; count < 2; count++) await storage.append(large())
      await assert.rejects(storage.append(large()), full)
      assert.equal((await storage.head()).seq, 129)
      assert.equal((await storage.slots(home('team/app'))).length, 127)
    })

    test('uploads through two processes at once leave each digest with every signature, without gap or double', async () => {
      const { storage, again } = open()
      const other = again()
      const digests = ['a', 'b', 'c'].map(digest)
      const uploads = digests.flatMap((of) =>
        Array.from({ length: 40 }, () => newSignature({ home: home('team/app', of) })),
      )
      // Each is sent to both: one of the two finds it there.
      const outcomes = await Promise.all([
        ...uploads.map((upload) => storage.append(upload)),
        ...uploads.map((upload) => other.append(upload)),
      ])
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'added').length, 120)
      for (const of of digests) {
        const slots = await storage.slots(home('team/app', of))
        assert.deepEqual(
          slots.map(({ slot }) => slot),
          Array.from({ length: 40 }, (_, index) => index + 1),
        )
        const wanted = uploads.filter((upload) => upload.home.digest === of).map((upload) => upload.sha256)
        assert.deepEqual(slots.map((slot) => slot.sha256).sort(), wanted.sort())
      }
      assert.deepEqual(await storage.integrity(), [])
    })

    test('one refused job of a commit does not take the others down', async () => {
      const { storage } = open()
      await Promise.all(Array.from({ length: 126 }, () => storage.append(newSignature())))
      const results = await Promise.allSettled([
        storage.append(newSignature()),
        storage.append(newSignature()),
        storage.append(newSignature({ home: home('other/app') })),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.equal((await storage.head()).seq, 128)
    })

    test('news are told once, whoever made them', async () => {
      const { storage, again } = open()
      const other = again()
      storage.news()
      assert.equal(storage.news(), false)
      await other.append(newSignature())
      assert.equal(storage.news(), true)
      assert.equal(storage.news(), false)
      await storage.append(newSignature())
      assert.equal(storage.news(), true)
      assert.equal(storage.news(), false)
    })

    test('says which locations changed, in the order in which they last did, in pages', async () => {
      const { storage } = open()
      const view = { kind: 'view', name: 'all', digest: digest('a') } as const
      assert.equal(await storage.version(), 0)
      await storage.append(newSignature({ views: [view] }))
      await storage.append(newSignature({ home: home('other/app') }))
      const first = await storage.changedSince(0, 2)
      assert.deepEqual(first.locations, [home('team/app'), view])
      const second = await storage.changedSince(first.version, 10)
      assert.deepEqual(second.locations, [home('other/app')])
      assert.deepEqual(second.head, await storage.head())
      assert.equal(second.version, await storage.version())
      await storage.append(newSignature())
      assert.deepEqual((await storage.changedSince(0, 10)).locations, [
        view,
        home('other/app'),
        home('team/app'),
      ])
      const all = await storage.version()
      assert.deepEqual(await storage.changedSince(all, 10), {
        locations: [],
        version: all,
        head: await storage.head(),
      })
      assert.deepEqual(
        (await storage.locations(0, 10)).map(({ location }) => location),
        [home('team/app'), view, home('other/app')],
      )
    })

    test('signatures are listed by repository, digest and key, in pages', async () => {
      const { storage } = open()
      const signer = { unverifiedFingerprint: null, unverifiedCreated: 1, unverifiedExpires: null }
      await storage.append(newSignature({ signer: { ...signer, unverifiedKeyId: 'AAAAAAAAAAAAAAAA' } }))
      await storage.append(newSignature({ home: home('team/app', digest('b')) }))
      await storage.append(newSignature({ home: home('other/app') }))
      const ids = async (query: Partial<Parameters<Storage['list']>[0]>) =>
        (await storage.list({ limit: 10, ...query })).signatures.map(({ id }) => id)
      assert.deepEqual(await ids({}), [1, 2, 3])
      assert.deepEqual(await ids({ repository: parseRepository('team/app') }), [1, 2])
      assert.deepEqual(await ids({ digest: digest('a') }), [1, 3])
      assert.deepEqual(await ids({ repository: parseRepository('team/app'), digest: digest('a') }), [1])
      assert.deepEqual(await ids({ key: 'A'.repeat(16) }), [1])
      assert.deepEqual(await ids({ key: `${'F'.repeat(24)}${'A'.repeat(16)}` }), [1])
      assert.deepEqual(await ids({ key: 'A'.repeat(16), digest: digest('b') }), [])
      assert.deepEqual(await ids({ limit: 1 }), [1])
      assert.deepEqual(await ids({ after: 1, limit: 1 }), [2])
      assert.deepEqual(await ids({ repository: parseRepository('no/such') }), [])
    })

    test('a fingerprint finds the signatures that name it, or its key id alone, and none of another with that id', async () => {
      const { storage } = open()
      const times = { unverifiedCreated: 1, unverifiedExpires: null }
      const unverifiedKeyId = '0123456789ABCDEF'
      for (const unverifiedFingerprint of [
        `${'A'.repeat(24)}${unverifiedKeyId}`,
        `${'B'.repeat(24)}${unverifiedKeyId}`,
        // Version 6 has the key id at the start.
        `${unverifiedKeyId}${'C'.repeat(48)}`,
        null,
      ])
        await storage.append(newSignature({ signer: { ...times, unverifiedKeyId, unverifiedFingerprint } }))
      const ids = async (key: string) =>
        (await storage.list({ limit: 10, key })).signatures.map(({ id }) => id)
      assert.deepEqual(await ids(unverifiedKeyId), [1, 2, 3, 4])
      assert.deepEqual(await ids(`${'A'.repeat(24)}${unverifiedKeyId}`), [1, 4])
      assert.deepEqual(await ids(`${unverifiedKeyId}${'C'.repeat(48)}`), [3, 4])
      assert.deepEqual(await ids(`${'C'.repeat(48)}${unverifiedKeyId}`), [])
    })

    test('a list ends with the signature that brings it to so many bytes', async () => {
      const { storage } = open()
      for (let count = 0; count < 5; count++) await storage.append(newSignature())
      const page = await storage.list({ limit: 10, maxBytes: 100 })
      assert.deepEqual(
        page.signatures.map(({ id }) => id),
        [1, 2],
      )
      assert.equal(page.next, 2)
      assert.equal((await storage.list({ after: 2, limit: 3 })).next, null)
      assert.equal((await storage.list({ after: 2, limit: 2 })).next, 4)
    })

    test('the first claim of another registry host is told, once', async () => {
      const { storage } = open()
      assert.equal((await storage.append(newSignature())).otherHosts, null)
      assert.deepEqual((await storage.append(newSignature({ host: 'quay.io' }))).otherHosts, [
        'registry.example.com',
      ])
      assert.equal((await storage.append(newSignature({ host: 'quay.io' }))).otherHosts, null)
    })

    test('that it can be written is found out without a change, and it has a size', async () => {
      const { storage } = open()
      await storage.touch()
      assert.equal((await storage.head()).seq, 0)
      assert.equal(await storage.version(), 0)
      const { database, log } = await storage.sizes()
      assert.ok(database + log > 0)
    })

    test('a refusal is a Refusal, so that every door can tell it from a fault', async () => {
      const { storage } = open()
      await Promise.all(Array.from({ length: 127 }, () => storage.append(newSignature())))
      await assert.rejects(storage.append(newSignature()), Refusal)
    })
  })
}
