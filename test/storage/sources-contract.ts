import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NewSignature, Storage } from '../../src/storage/storage.ts'
import { home, newSignature, type Opened } from './contract.ts'
import { key, signatureOf, start } from './judged.ts'

const why = { actor: 'mirror:a', reason: 'gone', graceSeconds: 300 }
const from = (name: string, round = 1) => ({ source: { name, round } })
const keyOf = ({ home, identity }: NewSignature) => ({
  repository: home.name,
  digest: home.digest,
  identity,
})

/** What every storage must do with what comes from other places. `open` gives an empty one. */
export function sourcesContract(name: string, open: (clock?: () => number) => Opened): void {
  const kinds = async (storage: Storage) =>
    (await storage.changesAfter(0, 100)).map(({ kind, signature }) => `${kind} ${signature}`)

  describe(`sources in ${name}`, () => {
    test('a source takes away only what it alone has contributed, and it may come back', async () => {
      const { storage } = open()
      const [alone, uploaded, shared] = [newSignature(), newSignature(), newSignature()]
      for (const signature of [alone, uploaded, shared]) await storage.append({ ...signature, ...from('a') })
      await storage.append(uploaded)
      await storage.append({ ...shared, ...from('b') })
      assert.equal(await storage.contributed('a', 10), 3)
      const keys = [alone, uploaded, shared].map(keyOf)
      assert.equal(await storage.retract('a', keys, why), 1)
      assert.equal(await storage.retract('a', keys, why), 0)
      assert.equal(await storage.find(1), null)
      assert.ok(await storage.find(2))
      assert.equal(await storage.retract('b', [keyOf(shared)], why), 1)
      const { outcome, signature } = await storage.append({ ...alone, ...from('a') })
      assert.deepEqual([outcome, signature.id], ['added', 1])
      assert.deepEqual(await kinds(storage), [
        'added 1',
        'added 2',
        'added 3',
        'removed 1',
        'removed 3',
        'reinstated 1',
      ])
      assert.deepEqual(await storage.integrity(), [])
    })

    test('what was taken away and comes back is nothing new, in whatever bytes', async () => {
      const { storage } = open()
      const signature = { ...newSignature(), ...from('a') }
      const variant = { ...newSignature({ identity: signature.identity }), ...from('a') }
      const append = async (one: NewSignature) => {
        const { outcome, returned } = await storage.append(one)
        return [outcome, returned]
      }
      assert.deepEqual(await append(signature), ['added', false])
      assert.deepEqual(await append(signature), ['present', false])
      assert.deepEqual(await append(newSignature()), ['added', false])
      for (const one of [signature, variant]) {
        assert.equal(await storage.retract('a', [keyOf(signature)], why), 1)
        assert.deepEqual(await append(one), ['added', true])
      }
      await storage.withdraw([1], why)
      assert.deepEqual(await append({ ...signature, reinstate: { reason: null } }), ['added', true])
    })

    test('a withdrawal here is final, whoever has it', async () => {
      const { storage } = open()
      const signature = { ...newSignature(), ...from('a') }
      await storage.append(signature)
      await storage.withdraw([1], why)
      await assert.rejects(storage.append(signature), { code: 'withdrawn' })
      assert.equal(await storage.retract('a', [keyOf(signature)], why), 0)
      assert.equal(await storage.contributed('a', 1), 0)
    })

    test('what is reinstated is still only of those who have it', async () => {
      const { storage } = open()
      const signature = newSignature()
      await storage.append({ ...signature, ...from('a') })
      await storage.withdraw([1], why)
      await storage.append({ ...signature, reinstate: { reason: 'it was right' } })
      assert.ok(await storage.find(1))
      assert.equal(await storage.retract('a', [keyOf(signature)], why), 1)
      assert.equal(await storage.find(1), null)
    })

    test('what is reinstated when no source has it any more is of this server', async () => {
      const { storage } = open()
      const signature = newSignature()
      await storage.append({ ...signature, ...from('a') })
      await storage.withdraw([1], why)
      assert.equal(await storage.retract('a', [keyOf(signature)], why), 0)
      await storage.append({ ...signature, reinstate: { reason: 'it was right' } })
      await storage.append({ ...signature, ...from('a') })
      assert.equal(await storage.retract('a', [keyOf(signature)], why), 0)
      assert.ok(await storage.find(1))
    })

    test('what a signature had superseded comes back with it gone, if somebody has it', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const dockerReference = 'registry.example.com/team/app:1'
      const earlier = signatureOf('A', { dockerReference })
      await storage.append(earlier)
      now += 10
      const later = { ...signatureOf('A', { dockerReference, created: start }), ...from('a') }
      await storage.append(later)
      now += 10
      assert.equal(await storage.retract('a', [keyOf(later)], why), 1)
      assert.deepEqual(
        (await storage.slots(home('team/app'))).map(({ sha256 }) => sha256),
        [earlier.sha256],
      )
      assert.deepEqual(await kinds(storage), [
        'added 1',
        'added 2',
        'superseded 1',
        'removed 2',
        'reinstated 1',
      ])
      assert.deepEqual(
        (await storage.revived(10)).map(({ id }) => id),
        [1],
      )
      await storage.settleRevived([1])
      assert.deepEqual(await storage.revived(10), [])
      assert.deepEqual(await storage.integrity(), [])
      now += 10
      assert.equal((await storage.append(later)).signature.id, 2)
    })

    test('however many lie between, and however full the place is, what somebody has comes back', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      const dockerReference = 'registry.example.com/team/app:1'
      const uploaded = signatureOf('A', { dockerReference })
      await storage.append(uploaded)
      for (let count = 1; count < 127; count++) await storage.append(newSignature())
      const later = [1, 2].map((age) => ({
        ...signatureOf('A', { dockerReference, created: start + age }),
        ...from('a'),
      }))
      for (const signature of later) {
        now += 10
        await storage.append(signature)
      }
      now += 10
      await storage.retract('a', later.map(keyOf), why)
      const slots = await storage.slots(home('team/app'))
      assert.equal(slots[0]?.sha256, uploaded.sha256)
      assert.equal(slots.length, 127)
      assert.deepEqual(await storage.integrity(), [])
    })

    test('a round tells what a source has no more', async () => {
      const { storage } = open()
      const [one, two, three] = [newSignature(), newSignature(), newSignature()]
      for (const signature of [one, two]) await storage.append({ ...signature, ...from('a', 1) })
      assert.deepEqual(await storage.confirm('a', [one, three].map(keyOf), 2), [keyOf(three)])
      assert.deepEqual(await storage.unconfirmed('a', 2, 10), [keyOf(two)])
      assert.deepEqual(await storage.unconfirmed('b', 2, 10), [])
    })

    test('a source has its notes', async () => {
      const { storage, again } = open()
      assert.equal(await storage.sourceState('a'), null)
      await storage.setSourceStatus('a', '{"up":true}')
      await storage.setSourceState('a', '[1]')
      assert.deepEqual(await again().sources(), [{ name: 'a', state: '[1]', status: '{"up":true}' }])
      const pages = ['team/a/', 'team/b/', 'team/c/'].map((path) => ({ path, seen: `"${path}"` }))
      await storage.setSourcePages('a', pages)
      await storage.setSourcePages('a', [{ path: 'team/b/', seen: null }])
      assert.deepEqual(await storage.sourcePages('a', '', 10), [pages[0], pages[2]])
      assert.deepEqual(await storage.sourcePages('a', 'team/a/', 10), [pages[2]])
      assert.equal(await storage.sourcePage('a', 'team/c/'), '"team/c/"')
      assert.equal(await storage.sourcePage('b', 'team/c/'), null)
    })
  })
}
