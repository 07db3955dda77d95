import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareHead } from '../../src/http/prepared-answer.ts'
import { type PreparedLocation, slotCache } from '../../src/http/slot-cache.ts'

const bodyBytes = 1000
const location = (): PreparedLocation => ({
  slots: [{ etag: '"a"', modified: 1, head: prepareHead(200, ['ETag', '"a"']), body: 'x'.repeat(bodyBytes) }],
  until: Number.POSITIVE_INFINITY,
})

/** As many locations as hold half of a mebibyte in their bodies alone. */
const many = 512
const room = 1024 * 1024

const keys = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}/${index}`)

/** What a server does for a read: look, and remember what was not there. Returns how many were there. */
function read(cache: ReturnType<typeof slotCache>, names: string[]): number {
  let hits = 0
  for (const name of names) {
    if (cache.get(name)) hits++
    else cache.put(name, location())
  }
  return hits
}

test('what fits is remembered, each under its own key', () => {
  const cache = slotCache(room)
  const names = keys('a', many)
  const kept = names.map(() => location())
  for (const [index, name] of names.entries()) cache.put(name, kept[index] as PreparedLocation)
  for (const [index, name] of names.entries()) assert.equal(cache.get(name), kept[index])
  assert.equal(cache.get('a'), undefined)
})

test('more is never remembered than there is room for', () => {
  const cache = slotCache(room)
  const names = keys('a', 10 * many)
  for (let round = 0; round < 3; round++) read(cache, names)
  assert.ok(names.filter((name) => cache.get(name)).length < room / bodyBytes)
})

test('a scan over names that do not exist leaves what is in use', () => {
  const cache = slotCache(room)
  const used = keys('used', many / 4)
  read(cache, used)
  for (const name of keys('missing', 100_000)) {
    if (!cache.get(name)) cache.put(name, { slots: [], until: Number.POSITIVE_INFINITY })
    cache.get(used[name.length % used.length] as string)
    if (name.endsWith('00')) read(cache, used)
  }
  assert.equal(read(cache, used), used.length)
})

test('what is forgotten, replaced or cleared is gone, and its room is free', () => {
  const cache = slotCache(room)
  const names = keys('a', many)
  for (let round = 0; round < 10; round++) {
    for (const name of names) cache.put(name, location())
    for (const name of names) cache.forget(name)
    for (const name of names) assert.equal(cache.get(name), undefined)
  }
  read(cache, names)
  assert.equal(read(cache, names), many)
  cache.clear()
  assert.equal(read(cache, names), 0)
  assert.equal(read(cache, names), many)
})

test('what alone is larger than the room is not remembered', () => {
  const cache = slotCache(100)
  cache.put('a', location())
  assert.equal(cache.get('a'), undefined)
  cache.put('b', location())
  assert.equal(cache.get('b'), undefined)
})
