import assert from 'node:assert/strict'
import { test } from 'node:test'
import { feedSource } from '../../src/mirror/feed.ts'
import { listingSource } from '../../src/mirror/listing.ts'
import { newTally, type Pace, type Tally } from '../../src/mirror/pace.ts'
import type { Destination } from '../../src/mirror/source.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { changeOf, feedOf, hostileServer, sendJson } from './hostile-server.ts'
import { heldIn, newStaticCopy, sha256 } from './static-copy.ts'
import { row, sendListing, slotPath } from './tree-server.ts'

const letters = [...'abcd']
const blobs = letters.map((letter) => newBlob({ digest: exampleDigest(letter) }))
const whole = heldIn(new Map(letters.map((letter, index) => [slotPath(letter, 1), blobs[index] as Buffer])))
const changes = blobs.map((blob, index) => changeOf(index + 1, blob))

/** A Lookaside of four signatures; what is not said to be otherwise is as it should be. */
async function copyOfFeed() {
  const is = {
    epoch: 'first',
    /** What the listings of its tree show. */
    listed: letters,
    /** What is given of a signature; null: an error. */
    blob: (bytes: Buffer): Buffer | null => bytes,
    /** A page of `/api/v1/signatures`, or null: the real one. */
    page: (_after: number): object | null => null,
    head: changes.length,
    comparisons: 0,
  }
  const { origin, requests } = await hostileServer((request, response, url) => {
    const { pathname } = url
    const [, folder, hex, slot] =
      /^\/signatures\/(team\/)?(?:app@sha256=([0-9a-f]+)\/)?(.*)$/.exec(pathname) ?? []
    const blob = blobs.find((bytes) => pathname === `/api/v1/blobs/${sha256(bytes)}`)
    if (blob) return void response.writeHead(is.blob(blob) ? 200 : 500).end(is.blob(blob))
    if (pathname === '/api/v1/signatures') {
      is.comparisons++
      const page = is.page(Number(url.searchParams.get('after')))
      return sendJson(response, page ?? { signatures: changes, next: null })
    }
    const isListed = hex !== undefined && is.listed.includes(hex.charAt(0))
    if (isListed && slot === '') return sendListing([row('signature-1')], response)
    if (isListed && slot === 'signature-1') return void response.end(blobs[letters.indexOf(hex.charAt(0))])
    if (hex) return void response.writeHead(404).end()
    if (folder)
      return sendListing(
        is.listed.map((letter) => row(`app@sha256=${letter.repeat(64)}/`)),
        response,
      )
    if (pathname === '/signatures/') return sendListing([row('team/')], response)
    feedOf(changes, is)(request, response, url)
  })
  const copy = await newStaticCopy(`${origin}/signatures`)
  const { fetch } = copy
  return {
    ...copy,
    is,
    requests,
    follow: (to?: Destination) => copy.copy(feedSource(fetch, origin), undefined, to),
    list: () => copy.copy(listingSource({ fetch, from: `${origin}/signatures` })),
  }
}

test('a source that was read in another way meanwhile is compared again, and the copy ends whole', async () => {
  const { is, follow, list, held } = await copyOfFeed()
  await follow()
  assert.deepEqual(await held(), whole)
  is.listed = letters.slice(0, 2)
  await list()
  assert.equal(Object.keys(await held()).length, 2)
  assert.equal(is.comparisons, 0)
  await follow()
  assert.equal(is.comparisons, 1)
  assert.deepEqual(await held(), whole)
})

test('pages of signatures with nothing on them, and more to come, are trouble', async () => {
  const { is, follow, held } = await copyOfFeed()
  await follow()
  is.epoch = 'second'
  is.head = 2 ** 50
  // It gives up in the end, so that this does.
  is.page = (after) => ({ signatures: [], next: is.comparisons < 50 ? after + 1 : null })
  await assert.rejects(follow(), /lists pages with nothing on them/)
  assert.equal(is.comparisons, 1)
  assert.deepEqual(await held(), whole)
})

test('a signature that is longer than clients read is left out of a comparison, and the others are not', async () => {
  const { is, list, follow, held, status, target, storage } = await copyOfFeed()
  is.listed = letters.slice(0, 1)
  await list()
  const [, long, ...others] = blobs
  is.blob = (bytes) => (bytes === long ? Buffer.alloc(4 * 1024 * 1024 + 1) : bytes)
  // What a comparison brings up to date is not in the log that follows it.
  await follow()
  assert.deepEqual(status().refused, { 'too-large': 1 })
  assert.equal(Object.keys(await held()).length, 1 + others.length)
  assert.equal(await target.contributed(10), 3)
  assert.deepEqual(await storage.integrity(), [])
})

test('what came back counts for the pace, also where the source fails before the page is done', async () => {
  const { is, list, follow, target, held } = await copyOfFeed()
  await list()
  is.listed = letters.slice(0, 2)
  await list()
  const tallies: Tally[] = []
  const pace: Pace = {
    after(tally) {
      tallies.push({ ...tally })
      return 0
    },
  }
  is.blob = (bytes) => (bytes === blobs[3] ? null : bytes)
  await assert.rejects(follow({ ...target, pace }), /answers 500/)
  assert.deepEqual(tallies, [{ ...newTally({ done: 4 }), returned: 1 }])
  assert.equal(Object.keys(await held()).length, 3)
})

test('the log of this very data folder is no source, whatever was copied before', async () => {
  const { is, follow, list, storage, held } = await copyOfFeed()
  const own = await storage.epoch()
  const refused = /the one of this very data folder/
  is.epoch = own
  await assert.rejects(follow(), refused)
  assert.deepEqual(await held(), {})
  // What came by listings, and no log was followed yet.
  await list()
  await assert.rejects(follow(), refused)
  is.epoch = 'another'
  await follow()
  is.epoch = own
  await assert.rejects(follow(), refused)
  assert.equal(is.comparisons, 1)
  assert.deepEqual(await held(), whole)
})
