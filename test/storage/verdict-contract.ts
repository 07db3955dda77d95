import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type VerdictName, verdictNames } from '../../src/openpgp/verdict.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { home, newSignature, type Opened } from './contract.ts'
import { always, day, fingerprint, key, keyId, signatureOf, start } from './judged.ts'

/** What every storage must know of verdicts. `open` gives an empty one. */
export function verdictContract(name: string, open: (clock?: () => number) => Opened): void {
  /** The numbers of the signatures of each verdict, and that each is told the same when it is read alone. */
  const verdicts = async (storage: Storage) => {
    const found: Partial<Record<VerdictName, number[]>> = {}
    for (const verdict of verdictNames) {
      const { signatures } = await storage.list({ verdict, limit: 100 })
      for (const { id, verdict: own } of signatures) {
        assert.equal(own, verdict)
        assert.equal((await storage.find(id))?.verdict, verdict)
      }
      if (signatures.length) found[verdict] = signatures.map(({ id }) => id)
    }
    return found
  }

  describe(`verdicts in ${name}`, () => {
    test('are of nobody where there are no keys', async () => {
      const { storage } = open()
      await storage.append(newSignature({ signer: null }))
      await storage.append(signatureOf('A'))
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [1, 2] })
    })

    test('join what came of trying a key with its state, which may change at any time', async () => {
      let now = start
      const { storage, again } = open(() => now * 1000)
      const expiring = [...always('good'), { from: start + day, state: 'key-expired' as const }]
      await storage.setKeyring([key('A'), key('B', expiring), key('C', always('not-signing-key'))])
      for (const result of ['good', 'bad', 'weak', 'unsupported'] as const)
        await storage.append(signatureOf('A', { result }))
      await storage.append(signatureOf('B'))
      await storage.append(signatureOf('C', { isValid: false }))
      const before = { bad: [2], unsupported: [4], weak: [3] }
      assert.deepEqual(await verdicts(storage), { ...before, 'not-signing-key': [6], valid: [1, 5] })
      now += day
      assert.deepEqual(await verdicts(storage), {
        ...before,
        'not-signing-key': [6],
        'key-expired': [5],
        valid: [1],
      })
      // In another process, and without a restart of this one.
      await again().setKeyring([key('A', always('revoked'))])
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [5, 6], ...before, revoked: [1] })
      assert.deepEqual((await storage.find(1))?.key, {
        fingerprint: fingerprint('A'),
        keyId: keyId('A'),
        primaryFingerprint: fingerprint('A'),
        userId: 'key A',
      })
    })

    test('follow the clock where a signature is dated ahead or expires', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('A', { expires: start + 2 * day }))
      await storage.append(signatureOf('A', { created: start + day, isValid: false }))
      await storage.append(
        signatureOf('A', { created: start + day, expires: start + 3 * day, isValid: false }),
      )
      const turned = async () => {
        assert.equal(await storage.turnStandings(1), false)
        while (!(await storage.turnStandings(1))) assert.ok(true)
        return verdicts(storage)
      }
      assert.equal(await storage.turnStandings(1), true)
      assert.deepEqual(await verdicts(storage), { bad: [2, 3], valid: [1] })
      now = start + day
      assert.deepEqual(await turned(), { valid: [1, 2, 3] })
      now = start + 2 * day
      assert.equal((await storage.find(1))?.verdict, 'expired')
      assert.deepEqual(await turned(), { expired: [1], valid: [2, 3] })
      now = start + 9 * day
      assert.deepEqual(await turned(), { expired: [1, 3], valid: [2] })
    })

    test('are turned back where a clock was ahead', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('A', { expires: start + day }))
      await storage.append(signatureOf('A', { created: start + day, isValid: false }))
      await storage.append(signatureOf('A'))
      const turned = async () => {
        while (!(await storage.turnStandings(100))) assert.ok(true)
        return verdicts(storage)
      }
      now = start + 365 * day
      assert.deepEqual(await turned(), { expired: [1], valid: [2, 3] })
      now = start
      assert.deepEqual(await turned(), { bad: [2], valid: [1, 3] })
      now = start + 2 * day
      assert.deepEqual(await turned(), { expired: [1], valid: [2, 3] })
    })

    test('are turned back some at a time, and again where the clock goes back meanwhile', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('B', { result: null }))
      for (let count = 1; count <= 5; count++)
        await storage.append(signatureOf('A', { expires: start + count * day, isValid: false }))
      now = start + 365 * day
      while (!(await storage.turnStandings(2))) assert.ok(true)
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [1], expired: [2, 3, 4, 5, 6] })
      now = start + 3 * day
      assert.equal(await storage.turnStandings(2), false)
      now = start
      let steps = 1
      while (!(await storage.turnStandings(2))) steps++
      assert.equal(steps, 3)
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [1], valid: [2, 3, 4, 5, 6] })
      assert.equal(await storage.turnStandings(2), true)
    })

    test('wait where the clock was set back by some seconds, which adds up', async () => {
      let now = start
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('A', { expires: start + 100, isValid: false }))
      const expired = async () => {
        assert.equal(await storage.turnStandings(100), true)
        return (await storage.list({ verdict: 'expired', limit: 5 })).signatures.length
      }
      now = start + 110
      assert.equal(await expired(), 1)
      now = start + 60
      // Told of itself, it is what it is now; in a listing it is nowhere.
      assert.equal((await storage.find(1))?.verdict, 'valid')
      assert.deepEqual(await verdicts(storage), {})
      assert.equal(await storage.turnStandings(100), true)
      assert.deepEqual(await verdicts(storage), {})
      now = start + 100
      assert.equal(await expired(), 1)
      now = start + 60
      assert.equal(await storage.turnStandings(100), true)
      now = start + 40
      assert.equal(await storage.turnStandings(100), true)
      assert.deepEqual(await verdicts(storage), { valid: [1] })
    })

    test('of what came while a clock was ahead are turned back too', async () => {
      let now = start + day
      const { storage } = open(() => now * 1000)
      await storage.setKeyring([key('A')])
      await storage.append(signatureOf('A', { created: start, expires: start + day, isValid: false }))
      assert.deepEqual(await verdicts(storage), { expired: [1] })
      now = start
      while (!(await storage.turnStandings(100))) assert.ok(true)
      assert.deepEqual(await verdicts(storage), { valid: [1] })
    })

    test('take in what a new key issued, and nothing else', async () => {
      const { storage } = open(() => start * 1000)
      const nameless = { ...signatureOf('B', { result: null }) }
      await storage.append({
        ...nameless,
        signer: nameless.signer && { ...nameless.signer, unverifiedFingerprint: null },
      })
      await storage.append(signatureOf('A', { result: null }))
      await storage.append(signatureOf('B', { result: null }))
      await storage.append({
        ...signatureOf('B', { result: null }),
        signer: nameless.signer && { ...nameless.signer, unverifiedFingerprint: fingerprint('C') },
      })
      await storage.setKeyring([key('B')])
      const untried = async (after = 0) =>
        (await storage.untried(fingerprint('B'), after, 10)).map(({ id }) => id)
      assert.deepEqual(await untried(), [1, 3])
      assert.deepEqual(await untried(1), [3])
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [1, 2, 3, 4] })
      await storage.addChecks([
        { signature: 1, fingerprint: fingerprint('B'), result: 'bad' },
        { signature: 3, fingerprint: fingerprint('B'), result: 'good' },
        { signature: 2, fingerprint: fingerprint('F'), result: 'good' },
      ])
      // What is known stays as it is.
      await storage.addChecks([{ signature: 1, fingerprint: fingerprint('B'), result: 'good' }])
      assert.deepEqual(await untried(), [])
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [2, 4], bad: [1], valid: [3] })
      await storage.setTried(4)
      assert.deepEqual(
        (await storage.keyring()).map(({ fingerprint, tried }) => [fingerprint, tried]),
        [[fingerprint('B'), 4]],
      )
      assert.deepEqual(await storage.integrity(), [])
    })

    test('are those of the best of several keys that have one id', async () => {
      const { storage } = open(() => start * 1000)
      const other = { ...key('A'), fingerprint: `${'9'.repeat(24)}${keyId('A')}` }
      await storage.setKeyring([key('A'), other])
      const nameless = signatureOf('A')
      await storage.append({
        ...nameless,
        signer: nameless.signer && { ...nameless.signer, unverifiedFingerprint: null },
        checks: [
          { fingerprint: fingerprint('A'), result: 'bad' },
          { fingerprint: other.fingerprint, result: 'good' },
        ],
      })
      assert.deepEqual(await verdicts(storage), { valid: [1] })
      await storage.setKeyring([key('A')])
      assert.deepEqual(await verdicts(storage), { bad: [1] })
      await storage.setKeyring([])
      assert.deepEqual(await verdicts(storage), { 'unknown-key': [1] })
    })

    test('are listed in pages, with whatever else is asked', async () => {
      const { storage } = open(() => start * 1000)
      const letters = ['A', 'B', 'C']
      await storage.setKeyring(letters.map((letter) => key(letter)))
      for (let count = 0; count < 30; count++) {
        const letter = letters[count % 3] as string
        const repository = count % 2 ? 'team/app' : 'other/app'
        const result = count % 5 === 0 ? 'bad' : 'good'
        await storage.append(signatureOf(letter, { result, home: home(repository) }))
      }
      const all = Array.from({ length: 30 }, (_, index) => index + 1)
      const valid = all.filter((id) => (id - 1) % 5)
      const paged: number[] = []
      for (let after: number | null = 0; after !== null; ) {
        const page = await storage.list({ verdict: 'valid', after, limit: 7 })
        paged.push(...page.signatures.map(({ id }) => id))
        after = page.next
      }
      assert.deepEqual(paged, valid)
      const ids = async (query: Parameters<Storage['list']>[0]) =>
        (await storage.list(query)).signatures.map(({ id }) => id)
      const repository = parseRepository('team/app')
      assert.deepEqual(
        await ids({ verdict: 'bad', repository, limit: 50 }),
        all.filter((id) => (id - 1) % 5 === 0 && id % 2 === 0),
      )
      assert.deepEqual(
        await ids({ verdict: 'valid', key: fingerprint('B'), limit: 50 }),
        valid.filter((id) => (id - 1) % 3 === 1),
      )
      assert.deepEqual(await ids({ verdict: 'unknown-key', key: keyId('B'), limit: 50 }), [])
    })
  })
}
