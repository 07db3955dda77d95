import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Location } from '../../src/reference/tree-path.ts'
import type { NewSignature, Storage } from '../../src/storage/storage.ts'
import { digest, home, newSignature, type Opened } from './contract.ts'
import { signatureOf, key as someKey, start } from './judged.ts'

const grace = 300
const why = { actor: 'token:1 ops', reason: 'published by mistake', graceSeconds: grace }

/** What every storage must do where signatures are taken back. `open` gives an empty one. */
export function withdrawingContract(name: string, open: (clock?: () => number) => Opened): void {
  /** A store with a clock in seconds that goes only when it is told to. */
  const timed = () => {
    const time = { seconds: start }
    return { time, ...open(() => time.seconds * 1000) }
  }
  const shown = async (storage: Storage, location: Location = home('team/app')) =>
    (await storage.slots(location)).map(({ sha256, leaves }) => [sha256, leaves])
  const add = async (storage: Storage, count: number, overrides: Partial<NewSignature> = {}) => {
    const signatures = Array.from({ length: count }, () => newSignature(overrides))
    for (const signature of signatures) await storage.append(signature)
    return signatures.map(({ sha256 }) => sha256)
  }

  describe(`withdrawing in ${name}`, () => {
    test('the last signature goes into the hole, and stays where it was for the grace time', async () => {
      const { storage, time } = timed()
      const [one, two, three] = await add(storage, 3)
      const before = await storage.slots(home('team/app'))
      time.seconds += 10
      const version = await storage.version()
      const [change] = await storage.withdraw([1], why)
      assert.deepEqual(
        [change?.kind, change?.signature, change?.actor, change?.reason, change?.seq],
        ['withdrawn', 1, why.actor, why.reason, 4],
      )
      assert.deepEqual(await shown(storage), [
        [three, null],
        [two, null],
        [three, time.seconds + grace],
      ])
      const [first, , last] = await storage.slots(home('team/app'))
      assert.equal(first?.modified, time.seconds)
      assert.equal(last?.modified, before[2]?.modified)
      assert.deepEqual((await storage.changedSince(version, 5)).locations, [home('team/app')])
      assert.equal(await storage.blob(one as string), null)
      assert.ok(await storage.holds(one as string))
      assert.equal(await storage.find(1), null)
      assert.deepEqual(await storage.integrity(), [])

      time.seconds += grace - 1
      assert.ok(await storage.endGrace(10, grace))
      assert.equal((await shown(storage)).length, 3)
      time.seconds += 1
      const settled = await storage.version()
      assert.ok(await storage.endGrace(10, grace))
      assert.deepEqual(await shown(storage), [
        [three, null],
        [two, null],
      ])
      assert.deepEqual((await storage.changedSince(settled, 5)).locations, [home('team/app')])
    })

    test('the last one just goes, and whatever takes its slot is later', async () => {
      const { storage, time } = timed()
      const [one] = await add(storage, 2)
      await storage.withdraw([2], why)
      assert.deepEqual(await shown(storage), [[one, null]])
      const [next] = await add(storage, 1)
      const slots = await storage.slots(home('team/app'))
      assert.equal(slots[1]?.sha256, next)
      assert.ok((slots[1]?.modified ?? 0) > time.seconds)
    })

    test('what came meanwhile goes into a slot that has had its grace, with a grace of its own', async () => {
      const { storage, time } = timed()
      const [, two, three] = await add(storage, 3)
      time.seconds += 1
      await storage.withdraw([1], why)
      const [four] = await add(storage, 1)
      assert.equal((await shown(storage)).length, 4)
      time.seconds += grace
      await storage.endGrace(10, grace)
      assert.deepEqual(await shown(storage), [
        [three, null],
        [two, null],
        [four, null],
        [four, time.seconds + grace],
      ])
      time.seconds += grace
      await storage.endGrace(10, grace)
      assert.equal((await shown(storage)).length, 3)
    })

    test('what was withdrawn is refused in every form until it is reinstated, and only there', async () => {
      const { storage, time } = timed()
      const signature = newSignature()
      await storage.append(signature)
      await storage.withdraw([1], why)
      const variant = { ...newSignature(), identity: signature.identity }
      for (const again of [signature, variant])
        await assert.rejects(storage.append(again), { code: 'withdrawn', message: /published by mistake/ })
      assert.deepEqual(await storage.withdraw([1, 99], why), [])
      await storage.append({ ...signature, home: home('other/app') })

      const found = await storage.withdrawn(1)
      assert.deepEqual([found?.sha256, found?.change.seq], [signature.sha256, 2])
      time.seconds += 1
      const { outcome, signature: back } = await storage.append({
        ...signature,
        reinstate: { reason: 'it was right' },
      })
      assert.deepEqual([outcome, back.id, back.slot], ['added', 1, 1])
      assert.deepEqual(
        (await storage.changesAfter(3, 5)).map(({ kind, signature, reason }) => [kind, signature, reason]),
        [['reinstated', 1, 'it was right']],
      )
      assert.equal(await storage.withdrawn(1), null)
      assert.deepEqual(await storage.integrity(), [])
    })

    test('a copy that a better one has superseded goes, and comes back, with it', async () => {
      const { storage, time } = timed()
      await storage.setKeyring([someKey('A')])
      const spoilt = signatureOf('A', { result: 'bad' })
      await storage.append(spoilt)
      time.seconds += 1
      const genuine = { ...signatureOf('A'), identity: spoilt.identity }
      await storage.append(genuine)
      time.seconds += 1
      const changes = await storage.withdraw([1], why)
      assert.deepEqual(
        changes.map(({ kind, signature }) => [kind, signature]),
        [
          ['withdrawn', 1],
          ['withdrawn', 2],
        ],
      )
      assert.deepEqual(await shown(storage), [])
      for (const id of [1, 2]) assert.equal((await storage.withdrawn(id))?.change.seq, changes[0]?.seq)
      assert.deepEqual(await storage.integrity(), [])
      time.seconds += 1
      await storage.append({ ...genuine, reinstate: { reason: null } })
      assert.deepEqual(await shown(storage), [[genuine.sha256, null]])
      assert.deepEqual(await storage.integrity(), [])
    })

    test('one that was superseded may be reinstated, and stays superseded', async () => {
      const { storage, time } = timed()
      await storage.setKeyring([someKey('A')])
      const dockerReference = 'registry.example.com/team/app:1'
      const earlier = signatureOf('A', { dockerReference })
      await storage.append(earlier)
      time.seconds += 1
      const later = signatureOf('A', { dockerReference, created: start })
      await storage.append(later)
      await storage.withdraw([1], why)
      const { outcome } = await storage.append({ ...earlier, reinstate: { reason: 'right' } })
      assert.equal(outcome, 'present')
      assert.deepEqual(
        (await storage.changesAfter(4, 5)).map(({ kind, signature }) => [kind, signature]),
        [
          ['reinstated', 1],
          ['superseded', 1],
        ],
      )
      assert.deepEqual(await shown(storage), [[later.sha256, null]])
      assert.deepEqual(await storage.integrity(), [])
    })

    test('many at once, of several places and views', async () => {
      const { storage, time } = timed()
      const view = { kind: 'view', name: 'all', digest: digest('a') } as const
      await storage.configureViews([{ base: 'all', repositories: ['**'] }])
      const here = await add(storage, 5, { views: [view] })
      const there = await add(storage, 2, { home: home('other/app'), views: [view] })
      time.seconds += 1
      assert.equal((await storage.withdraw([1, 2, 4, 6], why)).length, 4)
      assert.deepEqual(new Set((await shown(storage)).map(([sha256]) => sha256)), new Set([here[2], here[4]]))
      assert.deepEqual(await shown(storage, home('other/app')), [
        [there[1], null],
        [there[1], time.seconds + grace],
      ])
      assert.deepEqual(
        new Set((await shown(storage, view)).map(([sha256]) => sha256)),
        new Set([here[2], here[4], there[1]]),
      )
      assert.deepEqual(await storage.integrity(), [])
      time.seconds += grace
      await storage.endGrace(10, grace)
      assert.equal((await shown(storage, view)).length, 3)
    })

    test('in a view the same signature of another repository takes its slot', async () => {
      const { storage, time } = timed()
      const view = { kind: 'view', name: 'all', digest: digest('a') } as const
      await storage.configureViews([{ base: 'all', repositories: ['team/**', 'other/*'] }])
      const signature = newSignature({ views: [view] })
      await storage.append(signature)
      await storage.append({ ...signature, home: home('other/app') })
      await storage.append({ ...signature, home: home('hidden/app'), views: [] })
      time.seconds += 1
      await storage.withdraw([1], why)
      assert.deepEqual(await shown(storage, view), [[signature.sha256, null]])
      await storage.withdraw([2], why)
      assert.deepEqual(await shown(storage, view), [])
      assert.ok(await storage.blob(signature.sha256))
    })

    test('in a view, of the same signature elsewhere, one that a key has made goes first', async () => {
      const { storage, time } = timed()
      await storage.setKeyring([someKey('A')])
      const view = { kind: 'view', name: 'all', digest: digest('a') } as const
      await storage.configureViews([{ base: 'all', repositories: ['**'] }])
      const views = [view]
      const good = signatureOf('A', { home: home('a/one'), views })
      await storage.append(good)
      const { identity } = good
      await storage.append({ ...signatureOf('A', { home: home('a/two'), views, result: 'bad' }), identity })
      await storage.append({ ...good, home: home('a/three') })
      time.seconds += 1
      await storage.withdraw([1], why)
      assert.deepEqual(await shown(storage, view), [[good.sha256, null]])
    })

    test('a banned key is refused, with the keys of its certificate, until the ban is lifted', async () => {
      const { storage } = timed()
      await storage.setKeyring([
        someKey('A'),
        { ...someKey('B'), primaryFingerprint: someKey('A').fingerprint },
      ])
      const ban = { fingerprint: someKey('A').fingerprint, time: 5, actor: 'token:1 ops', reason: 'stolen' }
      await storage.banKey(ban)
      assert.deepEqual(await storage.bannedKeys(), [ban])
      for (const letter of ['A', 'B'] as const)
        await assert.rejects(storage.append(signatureOf(letter)), { code: 'key-banned', message: /stolen/ })
      await storage.append(signatureOf('C'))
      // Under a fingerprint that is of no key, as gpg would take it; but not under that of another key that is known.
      const named = (unverifiedFingerprint: string) => {
        const { signer, ...rest } = signatureOf('A')
        return { ...rest, signer: signer && { ...signer, unverifiedFingerprint } }
      }
      const invented = named(`${'0'.repeat(24)}${someKey('A').keyId}`)
      await assert.rejects(storage.append(invented), { code: 'key-banned' })
      await storage.setKeyring([someKey('A'), { ...someKey('D'), keyId: someKey('A').keyId }])
      await storage.append(named(someKey('D').fingerprint))
      assert.equal(await storage.unbanKey(ban.fingerprint), true)
      assert.equal(await storage.unbanKey(ban.fingerprint), false)
      await storage.append(signatureOf('A'))
      await storage.append(invented)
      assert.deepEqual(
        (await storage.standing({ key: ban.fingerprint, after: 0, limit: 9 })).map(({ id }) => id),
        [3, 4],
      )
    })

    test('what stands is found by key, repository and digest, superseded or not, in pages', async () => {
      const { storage, time } = timed()
      await storage.setKeyring([someKey('A'), someKey('B')])
      const dockerReference = 'registry.example.com/team/app:1'
      await storage.append(signatureOf('A', { dockerReference }))
      time.seconds += 1
      await storage.append(signatureOf('A', { dockerReference, created: start }))
      await storage.append(signatureOf('B', { home: home('other/app') }))
      await storage.append(signatureOf('A', { home: home('other/app') }))
      const ids = async (query: Parameters<Storage['standing']>[0]) =>
        (await storage.standing(query)).map(({ id }) => id)
      const { fingerprint } = someKey('A')
      const all = { after: 0, limit: 10 }
      assert.deepEqual(await ids({ key: fingerprint, ...all }), [1, 2, 5])
      assert.deepEqual(await ids({ key: fingerprint, after: 0, limit: 2 }), [1, 2])
      assert.deepEqual(await ids({ key: fingerprint, after: 2, limit: 2 }), [5])
      const repository = home('other/app').name
      assert.deepEqual(await ids({ key: fingerprint, repository, ...all }), [5])
      assert.deepEqual(await ids({ key: fingerprint, repository, after: 0, limit: 1 }), [5])
      assert.deepEqual(await ids({ digest: digest('a'), repository, ...all }), [4, 5])
      await storage.withdraw([1, 5], why)
      assert.deepEqual(await ids({ key: fingerprint, ...all }), [2])
      assert.deepEqual(await storage.integrity(), [])
    })
  })
}
