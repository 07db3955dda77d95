import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPace, newTally, type Tally } from '../../src/mirror/pace.ts'

const page = (tally: Partial<Tally>): Tally => ({ ...newTally({ done: 1000 }), ...tally })
const none = page({ done: 0 })
const allNew = page({ added: 1000 })
const allBack = page({ returned: 1000 })
const allGone = page({ removed: 1000 })

test('pages that bring signatures are not waited for, whatever else is in them', () => {
  const pace = newPace()
  assert.equal(pace.after(page({ added: 600, refused: 400 }), 500), 0)
  assert.equal(pace.after(none, 500), 0)
})

test('pages of which most is refused are followed by a growing pause, up to a limit', () => {
  const pace = newPace()
  const refused = page({ added: 100, refused: 900 })
  const pauses = Array.from({ length: 6 }, () => pace.after(refused, 500))
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 8000, 8000])
  assert.equal(pace.after(refused, 10_000), 60_000)
  pace.after(page({ done: 1, added: 1 }), 1)
  assert.equal(pace.after(refused, 1), 200)
})

test('pages that change nothing get half of the time, and small ones no haste', () => {
  const pace = newPace()
  assert.equal(pace.after(page({}), 300), 300)
  assert.equal(pace.after(page({ done: 1 }), 1), 1000)
})

test('what comes back again and again is waited for up to a minute, however fast it is', () => {
  for (const back of [allBack, page({ done: 1, returned: 1 })]) {
    const pace = newPace()
    const pauses = Array.from({ length: 12 }, () => {
      const rest = pace.after(back, 1)
      assert.equal(pace.after({ ...allGone, done: back.done }, 1), 0)
      assert.equal(pace.after(none, 1), 0)
      return rest
    })
    const doubled = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200]
    assert.deepEqual(pauses, [...doubled, 60_000, 60_000])
  }
})

test('only what is new pays for what came back, and one for one', () => {
  const pace = newPace()
  const pauses = Array.from({ length: 11 }, () => {
    pace.after(page({ done: 1, added: 1 }), 1)
    return pace.after(allBack, 1)
  })
  assert.equal(pauses.at(-1), 60_000)
  for (let count = 0; count < 10; count++) assert.equal(pace.after(allNew, 500), 0)
  assert.equal(pace.after(allBack, 1), 60_000)
  for (let count = 0; count < 12; count++) pace.after(allNew, 500)
  assert.equal(pace.after(allBack, 1), 100)
})

test('a source that withdraws thousands, or reinstates some, is not slowed to a crawl', () => {
  const pace = newPace()
  for (let count = 0; count < 100; count++) assert.equal(pace.after(allGone, 500), 0)
  const pauses = Array.from({ length: 5 }, () => pace.after(allBack, 500))
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000])
  assert.equal(pace.after(page({ done: 1, added: 1 }), 1), 0)
  assert.equal(pace.after(allGone, 500), 0)
  assert.equal(pace.after(page({ added: 10, returned: 10, removed: 980 }), 500), 0)
})
