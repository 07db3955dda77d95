import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measurePace } from '../../src/admission/pace.ts'
import { fairQueue } from '../../src/admission/queue.ts'

const job = (principal: string, number = 0, weight = 1) => ({ principal, number, weight })
const names = (jobs: { principal: string; number: number }[]) =>
  jobs.map(({ principal, number }) => `${principal}${number}`).join(' ')

function open(max: { jobs: number; bytes: number } = { jobs: 100, bytes: 100 }) {
  const queue = fairQueue<ReturnType<typeof job>>(max)
  const all = () => {
    const jobs = []
    for (let next = queue.next(); next; next = queue.next()) jobs.push(next)
    return names(jobs)
  }
  return { queue, all }
}

test('principals take turns, and the jobs of each keep their order', () => {
  const { queue, all } = open()
  for (const number of [1, 2, 3, 4]) assert.deepEqual(queue.add(job('a', number)), [])
  for (const number of [1, 2]) queue.add(job('b', number))
  queue.add(job('c', 1))
  assert.equal(queue.size, 7)
  assert.equal(all(), 'a1 b1 c1 a2 b2 a3 a4')
  assert.equal(queue.size, 0)
})

test('who comes late waits for one job of each of the others', () => {
  const { queue, all } = open()
  for (const number of [1, 2, 3]) queue.add(job('a', number))
  assert.equal(names([queue.next() ?? assert.fail()]), 'a1')
  queue.add(job('b', 1))
  assert.equal(all(), 'a2 b1 a3')
})

test('where it is full, the last of whoever has most goes', () => {
  const { queue, all } = open({ jobs: 4, bytes: 100 })
  for (const number of [1, 2, 3, 4]) queue.add(job('a', number))
  assert.equal(names(queue.add(job('a', 5))), 'a5')
  assert.equal(names(queue.add(job('b', 1))), 'a4')
  assert.equal(names(queue.add(job('b', 2))), 'a3', 'two each')
  assert.equal(names(queue.add(job('b', 3))), 'b3')
  assert.equal(names(queue.add(job('a', 6))), 'a6')
  assert.equal(all(), 'a1 b1 a2 b2')
})

test('bytes are bounded too, and what is too large for the queue is refused itself', () => {
  const { queue, all } = open({ jobs: 100, bytes: 10 })
  queue.add(job('a', 1, 3))
  queue.add(job('a', 2, 3))
  queue.add(job('b', 1, 4))
  assert.equal(names(queue.add(job('c', 1, 5))), 'a2 c1')
  assert.equal(names(queue.add(job('c', 2, 11))), 'c2')
  assert.equal(all(), 'a1 b1')
})

test('the pace is that of what was answered last, and a wait has a second at least and a minute at most', () => {
  let time = 0
  const pace = measurePace(() => time)
  assert.equal(pace.secondsFor(4000), 1, 'nothing is known yet')
  time = 1000
  pace.begin()
  time = 2000
  pace.answered(100)
  assert.equal(pace.secondsFor(50), 1)
  assert.equal(pace.secondsFor(250), 3)
  time = 32_000
  pace.answered(100)
  assert.equal(pace.secondsFor(10), 3)
  assert.equal(pace.secondsFor(1000), 60)
  time = 40_000
  pace.begin()
  time = 41_000
  pace.answered(1000)
  assert.equal(pace.secondsFor(4000), 4, 'a time in which nothing waited does not count')
})
