import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPace } from '../../src/mirror/pace.ts'

test('pages that bring signatures are not waited for, whatever else is in them', () => {
  const pace = newPace()
  assert.equal(pace.after({ done: 1000, changed: 600, refused: 400 }, 500), 0)
  assert.equal(pace.after({ done: 0, changed: 0, refused: 0 }, 500), 0)
})

test('pages of which most is refused are followed by a growing pause, up to a limit', () => {
  const pace = newPace()
  const refused = { done: 1000, changed: 100, refused: 900 }
  const pauses = Array.from({ length: 6 }, () => pace.after(refused, 500))
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 8000, 8000])
  assert.equal(pace.after(refused, 10_000), 60_000)
  pace.after({ done: 1, changed: 1, refused: 0 }, 1)
  assert.equal(pace.after(refused, 1), 200)
})

test('pages that change nothing get half of the time, and small ones no haste', () => {
  const pace = newPace()
  assert.equal(pace.after({ done: 1000, changed: 0, refused: 0 }, 300), 300)
  assert.equal(pace.after({ done: 1, changed: 0, refused: 0 }, 1), 1000)
})
