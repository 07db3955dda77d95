import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digest, home, newSignature, type Opened } from './contract.ts'

/** What every storage must show to people who look around. `open` gives an empty one. */
export function catalogContract(name: string, open: (clock?: () => number) => Opened): void {
  describe(`the catalogue in ${name}`, () => {
    test('repositories come by name, in pages, by the start of their names, and without digest views', async () => {
      const { storage } = open(() => 1_700_000_000_000)
      await storage.configureViews([{ base: 'view', repositories: ['**'] }])
      for (const repository of ['team/web', 'team/app', 'team/app-2', 'other'])
        await storage.append(newSignature({ home: home(repository) }))
      const namesOf = async (query: Parameters<typeof storage.repositories>[0]) =>
        (await storage.repositories(query)).map(({ name }) => name)
      assert.deepEqual(await namesOf({ limit: 10 }), ['other', 'team/app', 'team/app-2', 'team/web'])
      assert.deepEqual(await namesOf({ limit: 2 }), ['other', 'team/app'])
      assert.deepEqual(await namesOf({ after: 'team/app', limit: 2 }), ['team/app-2', 'team/web'])
      assert.deepEqual(await namesOf({ start: 'team/app', limit: 10 }), ['team/app', 'team/app-2'])
      assert.deepEqual(await namesOf({ start: 'team/app', after: 'team/app', limit: 10 }), ['team/app-2'])
      assert.deepEqual(await namesOf({ start: 'none', limit: 10 }), [])
      assert.equal((await storage.repositories({ limit: 1 }))[0]?.changed, 1_700_000_000)
      const namesWith = async (part: string, limit = 10) =>
        (await storage.repositoriesWith(part, limit)).map(({ name }) => name)
      assert.deepEqual(await namesWith('app'), ['team/app', 'team/app-2'])
      assert.deepEqual(await namesWith('e', 2), ['other', 'team/app'])
      assert.deepEqual(await namesWith('view'), [])
      assert.deepEqual(await namesWith('%'), [])
    })

    test('digests come by their start, each once', async () => {
      const { storage } = open()
      for (const [repository, letter] of [
        ['team/app', 'a'],
        ['other', 'a'],
        ['team/app', 'b'],
      ] as const)
        await storage.append(newSignature({ home: home(repository, digest(letter)) }))
      assert.deepEqual(await storage.digestsFrom('sha256:aaaaaa', 10), [digest('a')])
      assert.deepEqual(await storage.digestsFrom('sha256:', 10), [digest('a'), digest('b')])
      assert.deepEqual(await storage.digestsFrom('sha256:', 1), [digest('a')])
      assert.deepEqual(await storage.digestsFrom('sha256:c', 10), [])
    })

    test('digests come with what changed last before the others, those without signatures too', async () => {
      const { storage } = open()
      const at = (letter: string, reference = 'registry.example.com/team/app:1') =>
        newSignature({ home: home('team/app', digest(letter)), dockerReference: reference })
      const first = await storage.append(at('a'))
      await storage.append(at('b', 'registry.example.com/team/app:2'))
      await storage.append(at('c'))
      await storage.append(newSignature({ home: home('other', digest('d')) }))
      const repository = home('team/app').name
      const pageOf = async (query: { before?: number; limit: number; reference?: string }) => {
        const { digests, next } = await storage.digests({ repository, ...query })
        return { digests: digests.map(({ digest, signatures }) => `${digest[7]}${signatures}`), next }
      }
      const page = await pageOf({ limit: 2 })
      assert.deepEqual(page.digests, ['c1', 'b1'])
      assert.ok(page.next)
      assert.deepEqual(await pageOf({ limit: 2, before: page.next }), { digests: ['a1'], next: null })

      await storage.append(at('a'))
      assert.deepEqual((await pageOf({ limit: 9 })).digests, ['a2', 'c1', 'b1'])
      const named = await pageOf({ limit: 9, reference: 'registry.example.com/team/app:1' })
      assert.deepEqual(named, { digests: ['a2', 'c1'], next: null })

      const why = { actor: 'token:1 ops', reason: null, graceSeconds: 0 }
      const [ofB] = (await storage.list({ repository, digest: digest('b'), limit: 1 })).signatures
      await storage.withdraw([ofB?.id ?? 0], why)
      assert.deepEqual((await pageOf({ limit: 9 })).digests, ['b0', 'a2', 'c1'])
      const gone = await pageOf({ limit: 9, reference: 'registry.example.com/team/app:2' })
      assert.deepEqual(gone, { digests: [], next: null })
      assert.equal(first.signature.slot, 1)
    })

    test('an image of Docker Hub is found by its full name, however a claim spells it', async () => {
      const { storage } = open()
      const of = (letter: string, dockerReference: string) =>
        storage.append(newSignature({ home: home('library/busybox', digest(letter)), dockerReference }))
      await of('a', 'busybox:1')
      await of('b', 'docker.io/library/busybox:1')
      await of('c', 'busybox:2')
      const reference = 'docker.io/library/busybox:1'
      const { digests } = await storage.digests({
        repository: home('library/busybox').name,
        reference,
        limit: 9,
      })
      assert.deepEqual(
        digests.map(({ digest }) => digest[7]),
        ['b', 'a'],
      )
    })

    test('the changes of one signature come with the latest first', async () => {
      const { storage } = open()
      const { signature } = await storage.append(newSignature())
      await storage.append(newSignature())
      await storage.withdraw([signature.id], { actor: 'token:1 ops', reason: 'a slip', graceSeconds: 0 })
      const changes = await storage.changesOf(signature.id, null, 10)
      assert.deepEqual(
        changes.map(({ seq, kind, actor, reason }) => [seq, kind, actor, reason]),
        [
          [3, 'withdrawn', 'token:1 ops', 'a slip'],
          [1, 'added', 'token:1 ci', null],
        ],
      )
      assert.deepEqual(await storage.changesOf(signature.id, null, 1), changes.slice(0, 1))
      assert.deepEqual(await storage.changesOf(signature.id, 3, 10), changes.slice(1))
      assert.deepEqual(await storage.changesOf(99, null, 10), [])
    })

    test('what is not served any more of a digest is told with its last change', async () => {
      const { storage } = open()
      const why = { actor: 'token:1 ops', reason: null, graceSeconds: 0 }
      const at = home('team/app', digest('a'))
      const ids: number[] = []
      for (const each of [at, at, at, home('team/app', digest('b')), home('team/web', digest('a'))])
        ids.push((await storage.append(newSignature({ home: each }))).signature.id)
      assert.deepEqual(await storage.unserved(at.name, at.digest, 9), [])
      await storage.withdraw(ids.slice(1), why)
      const gone = await storage.unserved(at.name, at.digest, 9)
      assert.deepEqual(
        gone.map(({ signature, kind }) => [signature, kind]),
        [
          [ids[2], 'withdrawn'],
          [ids[1], 'withdrawn'],
        ],
      )
      assert.deepEqual(await storage.unserved(at.name, at.digest, 1), gone.slice(0, 1))
    })
  })
}
