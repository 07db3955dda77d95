import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Storage } from '../../src/storage/storage.ts'
import { home, type Opened } from './contract.ts'
import { day, key, signatureOf, start } from './judged.ts'

/** What every storage must do where one signature makes another needless. `open` gives an empty one. */
export function supersedingContract(name: string, open: (clock?: () => number) => Opened): void {
  describe(`superseding in ${name}`, () => {
    /** What is served at the home of signatures, by the numbers of the changes that added them. */
    const served = async (storage: Storage) => {
      const { signatures } = await storage.list({ limit: 200 })
      return signatures
        .map(({ id, slot }) => [slot, id])
        .sort((one, other) => Number(one[0]) - Number(other[0]))
    }
    const changes = async (storage: Storage) =>
      (await storage.changesAfter(0, 100)).map(({ kind, signature }) => [kind, signature])
    const dockerReference = 'registry.example.com/team/app:1'
    const view = { kind: 'view', name: 'all', digest: home('team/app').digest } as const

    test('a valid signature by the same key takes the slots of an earlier one, and the log says so', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A'), key('B')])
      const views = [view]
      await storage.append(signatureOf('A', { dockerReference, views }))
      await storage.append(signatureOf('B', { dockerReference, views }))
      now += 1
      const again = signatureOf('A', { dockerReference, views, created: start })
      const before = await storage.version()
      const { outcome, signature } = await storage.append(again)
      assert.deepEqual([outcome, signature.id, signature.slot], ['added', 3, 1])
      assert.deepEqual(await served(storage), [
        [1, 3],
        [2, 2],
      ])
      assert.deepEqual(await changes(storage), [
        ['added', 1],
        ['added', 2],
        ['added', 3],
        ['superseded', 1],
      ])
      const [first] = await storage.slots(again.home)
      assert.deepEqual([first?.sha256, first?.modified], [again.sha256, start + 1])
      assert.deepEqual((await storage.slots(view))[0]?.sha256, again.sha256)
      assert.equal(await storage.find(1), null)
      assert.deepEqual((await storage.changedSince(before, 10)).locations, [again.home, view])
      assert.deepEqual(await storage.integrity(), [])
    })

    test('does not happen to other keys, other references, later expiries, and signatures that nobody verified', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A'), key('B')])
      const kept = [
        signatureOf('B', { dockerReference }),
        signatureOf('A', { dockerReference: `${dockerReference}.0` }),
        signatureOf('A', { dockerReference }),
        signatureOf('A', { dockerReference, result: 'bad' }),
        signatureOf('A', { dockerReference, result: null }),
      ]
      for (const signature of kept) await storage.append(signature)
      now += 5
      // Expires, and the one that is there does not.
      await storage.append(signatureOf('A', { dockerReference, created: start, expires: start + day }))
      // Is not valid itself.
      await storage.append(signatureOf('A', { dockerReference, created: start, isValid: false }))
      await storage.append(signatureOf('C', { dockerReference, created: start }))
      assert.equal((await served(storage)).length, kept.length + 3)
      assert.ok((await changes(storage)).every(([kind]) => kind === 'added'))
    })

    test('an earlier one that comes late is kept in the log, and the later one stays', async () => {
      const { storage } = open(() => start * 1000)
      await storage.setKeyring([key('A')])
      const late = signatureOf('A', { dockerReference, created: start - 5 * day })
      await storage.append(signatureOf('A', { dockerReference }))
      const answer = await storage.append(late)
      assert.deepEqual([answer.outcome, answer.signature.id], ['present', 1])
      assert.deepEqual(await changes(storage), [
        ['added', 1],
        ['added', 2],
        ['superseded', 2],
      ])
      assert.deepEqual(await served(storage), [[1, 1]])
      // And once more: it is known.
      assert.equal((await storage.append(late)).signature.id, 1)
      assert.equal((await storage.head()).seq, 3)
      assert.equal(await storage.holds(late.sha256), true)
      assert.deepEqual(await storage.integrity(), [])
    })

    test('does not need room, and what was superseded does not come back', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const first = signatureOf('A', { dockerReference, created: start - 10 * day })
      await storage.append(first)
      await Promise.all(Array.from({ length: 126 }, () => storage.append(signatureOf('A'))))
      for (let night = 1; night <= 3; night++) {
        now += day
        const { signature } = await storage.append(
          signatureOf('A', { dockerReference, created: start - (10 - night) * day }),
        )
        assert.equal(signature.slot, 1)
      }
      const answer = await storage.append(first)
      assert.equal(answer.outcome, 'present')
      assert.equal(answer.signature.slot, 1)
      assert.notEqual(answer.signature.identity, first.identity)
      assert.equal((await storage.slots(first.home)).length, 127)
    })

    test('a spoilt copy gives way to one of the same identity that a key made, once', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const spoilt = signatureOf('A', { result: 'bad' })
      await storage.append(spoilt)
      now += 1
      const genuine = { ...signatureOf('A'), identity: spoilt.identity }
      const { outcome, signature } = await storage.append(genuine)
      assert.deepEqual([outcome, signature.id, signature.slot, signature.verdict], ['added', 2, 1, 'valid'])
      for (const copy of [spoilt, genuine, { ...signatureOf('A'), identity: spoilt.identity }])
        assert.deepEqual((await storage.append(copy)).outcome, 'present')
      assert.deepEqual(await changes(storage), [
        ['added', 1],
        ['added', 2],
        ['superseded', 1],
      ])
      assert.deepEqual(
        (await storage.slots(spoilt.home)).map(({ sha256 }) => sha256),
        [genuine.sha256],
      )
    })

    test('a spoilt copy from another repository of a view does not hide a good one there', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const views = [{ base: 'all', repositories: ['**'] }]
      await storage.configureViews(views)
      const spoilt = signatureOf('A', { result: 'bad', home: home('team/mirror'), views: [view] })
      await storage.append(spoilt)
      const other = signatureOf('A', { views: [view] })
      await storage.append(other)
      now += 1
      const genuine = { ...signatureOf('A', { views: [view] }), identity: spoilt.identity }
      await storage.append(genuine)
      const shown = async () => (await storage.slots(view)).map(({ sha256 }) => sha256)
      assert.deepEqual(await shown(), [genuine.sha256, other.sha256])
      // And where the view is laid out anew.
      await storage.configureViews([])
      await storage.configureViews(views)
      assert.deepEqual(new Set(await shown()), new Set([genuine.sha256, other.sha256]))
    })

    test('leaves a view that has no room for the new one with the old one, which is as good', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const blob = (size: number) => randomBytes(size)
      const first = signatureOf('A', { dockerReference, views: [view], blob: blob(100) })
      await storage.append(first)
      for (const repository of ['a/app', 'b/app', 'c/app'])
        await storage.append(
          signatureOf('A', { home: home(repository), views: [view], blob: blob(1_000_000) }),
        )
      now += 1
      const second = signatureOf('A', {
        dockerReference,
        created: start,
        views: [view],
        blob: blob(1_000_000),
      })
      await storage.append(second)
      assert.equal((await storage.slots(second.home))[0]?.sha256, second.sha256)
      const [shown, ...others] = await storage.slots(view)
      assert.equal(shown?.sha256, first.sha256)
      assert.equal(others.length, 3)
      assert.deepEqual(await storage.integrity(), [])
    })

    test('does not wait for a clock that was ahead: another slot is taken', async () => {
      let now = start + day
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('A', { dockerReference }))
      now = start
      const { signature } = await storage.append(signatureOf('A', { dockerReference, created: start }))
      assert.equal(signature.slot, 2)
    })

    test('what was superseded is in no listing, and costs none', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      for (let night = 0; night < 5; night++, now++)
        await storage.append(signatureOf('A', { dockerReference, created: start - day + night }))
      const page = await storage.list({ verdict: 'valid', limit: 1 })
      assert.deepEqual([page.signatures.map(({ id }) => id), page.next], [[8], null])
      assert.deepEqual(await storage.untried(key('A').fingerprint, 0, 10), [])
      assert.equal((await storage.added(0, 10)).length, 5)
    })

    test('waits for the next second where the slot has changed in this one', async () => {
      const { storage } = open()
      await storage.setKeyring([key('A')])
      const created = Math.floor(Date.now() / 1000) - day
      const modified: number[] = []
      for (let count = 0; count < 3; count++) {
        const { signature } = await storage.append(
          signatureOf('A', { dockerReference, created: created + count }),
        )
        assert.equal(signature.slot, 1)
        const slots = await storage.slots(home('team/app'))
        assert.equal(slots.length, 1)
        modified.push(slots[0]?.modified ?? 0)
      }
      assert.equal(new Set(modified).size, 3)
      assert.ok(Math.max(...modified) <= Date.now() / 1000)
    })
  })
}
