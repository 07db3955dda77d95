import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Location } from '../../src/reference/tree-path.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { digest, home, newSignature, type Opened } from './contract.ts'

/** What every storage must do about digest views. `open` gives an empty one. */
export function viewContract(name: string, open: (clock?: () => number) => Opened): void {
  const slotsOf = async (storage: Storage, location: Location) =>
    (await storage.slots(location)).map(({ slot, sha256 }) => [slot, sha256])

  describe(`digest views in ${name}`, () => {
    test('a digest view shows each signature once, in the order of arrival', async () => {
      const { storage } = open()
      const view = { kind: 'view', name: '', digest: digest('a') } as const
      const one = newSignature({ views: [view] })
      await storage.append(one)
      await storage.append({ ...one, home: home('copy/app') })
      const two = newSignature({ views: [view] })
      await storage.append(two)
      assert.deepEqual(await slotsOf(storage, view), [
        [1, one.sha256],
        [2, two.sha256],
      ])
    })

    test('views that come, change or go are laid out anew, and the others keep their slots', async () => {
      const { storage } = open()
      const a = newSignature({ home: home('a/app') })
      const b = newSignature({ home: home('b/app') })
      await storage.append(a)
      await storage.append(b)
      await storage.append({ ...a, home: home('b/app') })
      const view = { kind: 'view', name: 'all', digest: digest('a') } as const

      await storage.configureViews([{ base: 'all', repositories: ['**'] }])
      assert.deepEqual(await slotsOf(storage, view), [
        [1, a.sha256],
        [2, b.sha256],
      ])
      const version = await storage.version()
      await storage.configureViews([{ base: 'all', repositories: ['**'] }])
      assert.equal(await storage.version(), version)

      await storage.configureViews([{ base: 'all', repositories: ['b/*'] }])
      assert.deepEqual(await slotsOf(storage, view), [
        [1, b.sha256],
        [2, a.sha256],
      ])
      await storage.configureViews([])
      assert.deepEqual(await slotsOf(storage, view), [])
      assert.deepEqual((await storage.changedSince(version, 10)).locations, [view])
    })
  })
}
