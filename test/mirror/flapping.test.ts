import assert from 'node:assert/strict'
import { test } from 'node:test'
import { feedSource } from '../../src/mirror/feed.ts'
import type { Tally } from '../../src/mirror/pace.ts'
import { exampleDigest, newBlob, variantOf } from '../signing.ts'
import { type Answering, changeOf, feedOf, hostileServer } from './hostile-server.ts'
import { newStaticCopy, type StaticCopy } from './static-copy.ts'

const pageSize = 5

/** A slot changes once a second at most, which nobody has to wait for. */
let now = Date.now()
const blobs = [...'01234'].map((letter) => newBlob({ digest: exampleDigest(letter) }))

/** A log in which these come and go so often, each time with all of them in a page. */
function flapping(times: number, blobAt: (blob: Buffer, time: number) => Buffer = (blob) => blob) {
  return Array.from({ length: 2 * times }, (_, page) =>
    blobs.map((blob, index) => {
      const given = page % 2 ? { kind: 'removed', blob: null } : {}
      return changeOf(page * pageSize + index + 1, blobAt(blob, Math.floor(page / 2)), given)
    }),
  ).flat()
}

/** A copy of such a source that rests no moment, and tells how long it should have, page by page. */
async function unresting(answer: Answering) {
  const { origin } = await hostileServer((request, response, url) => {
    // Where it is asked for a mark, that is one change.
    url.searchParams.set('limit', `${Math.min(pageSize, Number(url.searchParams.get('limit')))}`)
    answer(request, response, url)
  })
  const copy = await newStaticCopy(`${origin}/signatures`, { clock: () => (now += 1000) })
  const pages: (Tally & { rest: number })[] = []
  const to: StaticCopy['target'] = {
    ...copy.target,
    pace: {
      after(tally) {
        pages.push({ ...tally, rest: copy.target.pace.after(tally, 1) })
        return 0
      },
    },
  }
  const source = feedSource(copy.fetch, origin)
  return { ...copy, pages, follow: () => copy.copy(source, undefined, to) }
}

test('signatures that come and go for ever are read more and more slowly', async () => {
  const { follow, pages, storage, held } = await unresting(feedOf(flapping(14)))
  await follow()
  // After the last one nothing more is asked for.
  assert.equal(pages.length, 27)
  const [first, ...others] = pages.filter((_, page) => page % 2 === 0)
  assert.deepEqual([first?.added, first?.returned, first?.rest], [5, 0, 0])
  // The five that were new pay for the five that came back first.
  for (const { added, returned } of others) assert.deepEqual([added, returned], [0, 5])
  const rests = others.map(({ rest }) => rest)
  assert.deepEqual(rests.slice(0, 4), [100, 200, 400, 800])
  assert.deepEqual(rests.slice(-3), [60_000, 60_000, 60_000])
  for (const { removed, rest } of pages.filter((_, page) => page % 2))
    assert.deepEqual([removed, rest], [5, 0])
  assert.deepEqual(await held(), {})
  assert.equal((await storage.head()).seq, 28 * pageSize)
})

test('other bytes of the same signature, which anybody can make, are no new signature', async () => {
  const changes = flapping(12, (blob, time) => variantOf(blob, `variant${time}`))
  const { follow, pages } = await unresting(feedOf(changes))
  await follow()
  const rests = pages.filter((_, page) => page % 2 === 0).map(({ rest }) => rest)
  assert.equal(rests.at(-1), 60_000)
})

test('an error between the pages makes nothing forgotten', async () => {
  const feed = feedOf(flapping(14))
  const isAskedOnce = new Set<string>()
  const { follow, pages } = await unresting((request, response, url) => {
    const from = url.searchParams.get('after') ?? ''
    const isNext = url.searchParams.has('blobs') && Number(from) > 0
    if (!isNext || isAskedOnce.has(from)) return feed(request, response, url)
    isAskedOnce.add(from)
    response.writeHead(500).end()
  })
  let failures = 0
  while (failures < 100 && (await follow().catch(() => 'failed')) === 'failed') failures++
  assert.equal(failures, 27)
  assert.equal(pages.filter((_, page) => page % 2 === 0).at(-1)?.rest, 60_000)
})
