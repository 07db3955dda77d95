import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inTurns } from '../src/turns.ts'
import { eventually } from './eventually.ts'

test('jobs run in their order, so many in each turn, and those that they bring come last', async () => {
  const run: { job: number; turn: number }[] = []
  // A clock that stands still: what is run beyond these depends on the time.
  const inTurn = inTurns(2, () => 0)
  const add = (job: number) =>
    inTurn(() => {
      run.push({ job, turn: performance.nodeTiming.uvMetricsInfo.loopCount })
      if (job % 2 === 0 && job < 10) add(job + 10)
    })
  for (let job = 0; job < 7; job++) add(job)
  assert.deepEqual(run, [])
  await eventually(() => run.length === 11)
  assert.deepEqual(
    run.map(({ job }) => job),
    [0, 1, 2, 3, 4, 5, 6, 10, 12, 14, 16],
  )
  const first = Math.min(...run.map(({ turn }) => turn))
  const turns = run.map(({ turn }) => turn - first)
  assert.deepEqual(turns, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
  // Where all have run, the next begins anew.
  add(11)
  await eventually(() => run.length === 12)
})

test('where others make a turn long, jobs have a fifth of the time', async () => {
  let time = 0
  let run = 0
  const inTurn = inTurns(1, () => time)
  const job = () => {
    run++
    time += 3
  }
  for (let count = 0; count < 9; count++) inTurn(job)
  time += 40
  await nextTurn()
  assert.equal(run, 4)
  await nextTurn()
  assert.equal(run, 5)
  time += 400
  await nextTurn()
  assert.equal(run, 9)
})
