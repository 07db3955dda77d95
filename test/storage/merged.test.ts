import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { merged, type Source } from '../../src/storage/sqlite/merged.ts'

/** A source as a table gives it, which counts what is read of it. */
function sourceOf(numbers: readonly number[]): { source: Source; read: () => number } {
  let read = 0
  const source: Source = (after, count) => {
    const found = numbers.filter((number) => number > after).slice(0, count)
    read += found.length
    return found
  }
  return { source, read: () => read }
}

const ascending = fc
  .uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 600 })
  .map((numbers) => numbers.sort((one, other) => one - other))

test('sources are merged in order, each number once', () => {
  fc.assert(
    fc.property(fc.array(ascending, { maxLength: 12 }), fc.nat(2000), (sources, after) => {
      const wanted = [...new Set(sources.flat())].filter((number) => number > after)
      wanted.sort((one, other) => one - other)
      assert.deepEqual(
        [
          ...merged(
            sources.map((numbers) => sourceOf(numbers).source),
            after,
          ),
        ],
        wanted,
      )
    }),
    { numRuns: 200 },
  )
})

test('of a long source no more is read than a page needs', () => {
  const long = sourceOf(Array.from({ length: 100_000 }, (_, index) => index + 1))
  const page = merged([long.source], 0).take(10).toArray()
  assert.equal(page.length, 10)
  assert.ok(long.read() < 50, `${long.read()} numbers were read`)
})
