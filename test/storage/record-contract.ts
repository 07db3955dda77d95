import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { home, newSignature, type Opened } from './contract.ts'

/** What every storage must keep beside signatures. `open` gives an empty one. */
export function recordContract(name: string, open: (clock?: () => number) => Opened): void {
  describe(`records in ${name}`, () => {
    test('a token is kept as it is, until it is revoked', async () => {
      const { storage, again } = open()
      const token = {
        id: '00112233',
        name: 'ci',
        hash: randomBytes(32),
        scopes: ['push:team/**'],
        created: 1,
        expires: 2,
        revoked: null,
      }
      await storage.addToken(token)
      const kept = await again().token('00112233')
      assert.deepEqual({ ...kept, hash: Buffer.from(kept?.hash ?? []) }, token)
      assert.equal(await storage.revokeToken('00112233', 5), true)
      assert.equal(await storage.revokeToken('00112233', 6), false)
      assert.equal((await storage.tokens())[0]?.revoked, 5)
      assert.equal(await storage.token('ffffffff'), null)
    })

    test('a directory set aside is in the backlog with its error until it is settled', async () => {
      const { storage } = open()
      await storage.append(newSignature())
      await storage.addToBacklog(home('team/app'), 'ENAMETOOLONG')
      assert.deepEqual(
        (await storage.backlog()).map(({ location, error }) => [location, error]),
        [[home('team/app'), 'ENAMETOOLONG']],
      )
      await storage.addToBacklog(home('team/app'), null)
      assert.equal((await storage.backlog())[0]?.error, null)
      await storage.settleBacklog(home('team/app'))
      assert.deepEqual(await storage.backlog(), [])
    })

    test('a lease has one holder among all processes', async () => {
      const { storage, again } = open()
      const lease = await storage.lease('tree')
      assert.ok(lease)
      assert.equal(await again().lease('tree'), null)
      assert.ok(await storage.lease('another'))
      lease.release()
      assert.ok(await again().lease('tree'))
    })

    test('an epoch stays until it is renewed', async () => {
      const { storage, again } = open()
      const epoch = await storage.epoch()
      assert.equal(await again().epoch(), epoch)
      const renewed = await storage.renewEpoch()
      assert.notEqual(renewed, epoch)
      assert.equal(await again().epoch(), renewed)
    })
  })
}
