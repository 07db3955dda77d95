import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatLocation, type Location } from '../../src/reference/tree-path.ts'
import type { FolderEntry, FolderPage, Storage } from '../../src/storage/storage.ts'
import { digest, home, newSignature, type Opened } from './contract.ts'

/** What every storage must do about folders of the tree. `open` gives an empty one. */
export function folderContract(name: string, open: (clock?: () => number) => Opened): void {
  const directory = (repository: string, of = digest('a')) => formatLocation(home(repository, of))

  const pagesOf = async (storage: Storage, path: string, limit = 100): Promise<FolderPage[]> => {
    const pages: FolderPage[] = []
    for (let after: string | null = null; ; ) {
      const page: FolderPage | null = await storage.folder(path, after, limit)
      if (!page) return pages
      pages.push(page)
      assert.ok(page.entries.length <= limit)
      after = page.next
      if (after === null) return pages
    }
  }

  const entriesOf = async (storage: Storage, path: string, limit?: number): Promise<FolderEntry[]> =>
    (await pagesOf(storage, path, limit)).flatMap(({ entries }) => entries)

  const namesOf = async (storage: Storage, path: string, limit?: number): Promise<string[]> =>
    (await entriesOf(storage, path, limit)).map(({ name }) => name)

  describe(`folders in ${name}`, () => {
    test('the time of a folder grows with each change, even if the clock was ahead', async () => {
      let now = 1_800_000_100
      const { storage } = open(() => now * 1000)
      const times: (number | undefined)[] = []
      for (const step of [0, -60, 1, 0]) {
        now += step
        await storage.append(newSignature())
        times.push((await storage.folder(formatLocation(home('team/app')), null, 10))?.changed)
      }
      assert.deepEqual(times, [1_800_000_100, 1_800_000_101, 1_800_000_102, 1_800_000_103])
    })

    test('a folder has the folders below it and the digests of its repositories, a digest its slots', async () => {
      let now = 1_700_000_000_900
      const { storage } = open(() => now)
      const one = newSignature({ home: home('team/app') })
      await storage.append(one)
      now += 5000
      const two = newSignature({ home: home('team/app'), blob: Buffer.from('two') })
      await storage.append(two)
      await storage.append(newSignature({ home: home('team/app', digest('b')) }))
      now += 5000
      await storage.append(newSignature({ home: home('team/app/sub') }))
      const of = (seconds: number) => 1_700_000_000 + seconds

      assert.deepEqual(await storage.folder('', null, 10), {
        changed: of(10),
        entries: [{ kind: 'folder', name: 'team', modified: of(10) }],
        next: null,
      })
      const team = await storage.folder('team', null, 10)
      assert.equal(team?.changed, of(10))
      assert.deepEqual(
        new Set(team?.entries),
        new Set<FolderEntry>([
          { kind: 'folder', name: 'app', modified: of(10) },
          { kind: 'folder', name: directory('app'), modified: of(5) },
          { kind: 'folder', name: directory('app', digest('b')), modified: of(5) },
        ]),
      )
      assert.deepEqual(await namesOf(storage, 'team/app'), [directory('sub')])
      assert.deepEqual(await storage.folder(directory('team/app'), null, 10), {
        changed: of(5),
        entries: [
          { kind: 'slot', name: 'signature-1', modified: of(0), size: one.blob.length, sha256: one.sha256 },
          { kind: 'slot', name: 'signature-2', modified: of(5), size: 3, sha256: two.sha256 },
        ],
        next: null,
      })
    })

    test('what is no folder is null: names of nothing, parts of names, slots, and any other text', async () => {
      const { storage } = open()
      assert.deepEqual(await storage.folder('', null, 10), { changed: 0, entries: [], next: null })
      await storage.append(newSignature({ home: home('team/app') }))
      const at = directory('team/app')
      const others = [
        'team/app',
        'tea',
        'team/',
        '/team',
        'team/ap',
        'team/app/x',
        'TEAM',
        '..',
        '.',
        '~',
        '%',
      ]
      for (const path of [
        ...others,
        directory('team/app', digest('b')),
        `${at}/`,
        `${at}/signature-1`,
        'team/x=1',
      ])
        assert.equal(await storage.folder(path, null, 10), null, path)
    })

    test('digest views are folders where they are configured', async () => {
      const { storage } = open()
      await storage.append(newSignature({ home: home('b/app') }))
      await storage.configureViews([
        { base: '', repositories: ['b/**'] },
        { base: 'a', repositories: ['**'] },
        { base: 'b/all', repositories: ['b/*'] },
        { base: 'c/empty', repositories: ['none'] },
      ])
      const view = formatLocation({ kind: 'view', name: '', digest: digest('a') })
      assert.deepEqual(await namesOf(storage, ''), ['a', 'b', view])
      assert.deepEqual(await namesOf(storage, 'a'), [view])
      assert.deepEqual(await namesOf(storage, 'b'), ['all', directory('app')].toSorted())
      assert.deepEqual(await namesOf(storage, 'b/all'), [view])
      assert.deepEqual(await namesOf(storage, view), ['signature-1'])
      assert.deepEqual(await namesOf(storage, `b/all/${view}`), ['signature-1'])
      await storage.configureViews([])
      assert.deepEqual(await namesOf(storage, ''), ['b'])
      for (const path of ['a', 'b/all', view, 'c', 'c/empty'])
        assert.equal(await storage.folder(path, null, 10), null)
    })

    test('what is withdrawn goes with the folders that had nothing else, and what is above them has changed', async () => {
      let now = 1_700_000_000_000
      const { storage } = open(() => now)
      const why = { actor: 'token:1 ci', reason: null, graceSeconds: 0 }
      const append = async (repository: string) =>
        (await storage.append(newSignature({ home: home(repository) }))).signature.id
      const gone = [await append('team/a'), await append('team/b/c')]
      await append('team/d')
      now += 10_000
      await storage.withdraw(gone, why)
      assert.deepEqual(await storage.folder('team', null, 10), {
        changed: 1_700_000_010,
        entries: [{ kind: 'folder', name: directory('d'), modified: 1_700_000_000 }],
        next: null,
      })
      assert.deepEqual((await storage.folder('', null, 10))?.entries, [
        { kind: 'folder', name: 'team', modified: 1_700_000_010 },
      ])
      for (const path of ['team/b', directory('team/a'), directory('team/b/c')])
        assert.equal(await storage.folder(path, null, 10), null, path)
    })

    test('slots that are only there for readers under way are shown', async () => {
      const { storage } = open()
      const ids: number[] = []
      for (let count = 0; count < 3; count++) ids.push((await storage.append(newSignature())).signature.id)
      await storage.withdraw([ids[0] as number], { actor: 'token:1 ci', reason: null, graceSeconds: 300 })
      const entries = (await storage.folder(directory('team/app'), null, 10))?.entries
      assert.deepEqual(
        entries?.map(({ name }) => name),
        ['signature-1', 'signature-2', 'signature-3'],
      )
      const [first, , third] = entries as (FolderEntry & { kind: 'slot' })[]
      assert.equal(first?.sha256, third?.sha256)
    })

    test('what nothing is served of any more costs a page its length, and hides nothing behind it', async () => {
      const { storage } = open()
      const ids: number[] = []
      const at = (count: number) => digest('0').slice(0, -4) + count.toString(16).padStart(4, '0')
      const added = Array.from({ length: 5000 }, (_, count) =>
        storage.append(newSignature({ home: home('a/b/app', at(count) as never) })),
      )
      for (const { signature } of await Promise.all(added)) ids.push(signature.id)
      await storage.append(newSignature({ home: home('a/c') }))
      await storage.append(newSignature({ home: home('a/b/zoo') }))
      const why = { actor: 'token:1 ci', reason: null, graceSeconds: 0 }
      for (let from = 0; from < 5000; from += 500) await storage.withdraw(ids.slice(from, from + 500), why)
      assert.deepEqual(await namesOf(storage, 'a'), ['b', directory('c')])
      assert.deepEqual(await namesOf(storage, 'a/b'), [directory('zoo')])
    })

    test('a page goes on where the one before ended, whatever came or went between them', async () => {
      const { storage } = open()
      for (const repository of ['b', 'd', 'd/x', 'f'])
        await storage.append(newSignature({ home: home(repository) }))
      const first = await storage.folder('', null, 2)
      assert.deepEqual(
        first?.entries.map(({ name }) => name),
        [directory('b'), directory('d')],
      )
      for (const repository of ['a', 'c', 'e']) await storage.append(newSignature({ home: home(repository) }))
      const second = await storage.folder('', first?.next ?? null, 10)
      assert.deepEqual(
        second?.entries.map(({ name }) => name),
        ['d', directory('e'), directory('f')],
      )
      assert.equal(second?.changed, first?.changed)
    })

    test('in pages of any size, the folders are those of the tree, each name once', async () => {
      const component = fc.constantFrom('a', 'a-b', 'a.b', 'a0', 'a_b', 'ab', 'b', '0')
      const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
      const letter = fc.constantFrom('a', 'b', 'c')
      const views = fc.uniqueArray(fc.tuple(fc.oneof(path, fc.constant('')), path), {
        maxLength: 3,
        selector: ([base]) => base,
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(path, letter), { maxLength: 12 }),
          views,
          fc.integer({ min: 1, max: 4 }),
          async (signatures, bases, limit) => {
            let now = 1_700_000_000_000
            const { storage } = open(() => (now += 1000))
            for (const [repository, of] of signatures)
              await storage.append(newSignature({ home: home(repository, digest(of)) }))
            await storage.configureViews(
              bases.map(([base, repository]) => ({ base, repositories: [repository, `${repository}/**`] })),
            )
            const locations = (await storage.locations(0, 1000)).map(({ location }) => location)
            for (const [folder, names] of treeOf(locations)) {
              const entries = await entriesOf(storage, folder, limit)
              assert.deepEqual(entries.map((entry) => entry.name).toSorted(), [...names].toSorted(), folder)
              for (const entry of entries) {
                const inside = await storage.folder(folder ? `${folder}/${entry.name}` : entry.name, null, 1)
                assert.equal(entry.modified, inside?.changed)
              }
              const pages = await pagesOf(storage, folder, limit)
              assert.ok(pages.every(({ changed }) => changed === pages[0]?.changed))
              assert.ok(entries.every(({ modified }) => modified <= (pages[0]?.changed ?? 0)))
            }
            await storage.close()
          },
        ),
        { numRuns: 60 },
      )
    })
  })
}

/** The folders above locations, with what is in each. */
function treeOf(locations: readonly Location[]): Map<string, Set<string>> {
  const tree = new Map<string, Set<string>>()
  for (const location of locations) {
    const components = formatLocation(location).split('/')
    for (const [depth, component] of components.entries()) {
      const folder = components.slice(0, depth).join('/')
      tree.set(folder, (tree.get(folder) ?? new Set()).add(component))
    }
  }
  return tree
}
