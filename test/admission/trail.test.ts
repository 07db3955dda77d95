import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newTrail } from '../../src/admission/trail.ts'
import type { AuditEntry } from '../../src/storage/audit.ts'

/** A trail whose rows are kept here. */
function open(write?: (entries: readonly AuditEntry[]) => Promise<void>) {
  const rows: AuditEntry[] = []
  const trail = newTrail({
    write: async (entries) => {
      await write?.(entries)
      rows.push(...entries)
    },
  })
  const refuse = (
    about: { actor?: string | null; address?: string; code?: string; repository?: string } = {},
  ) => {
    const { actor = null, address = '192.0.2.1', code = 'not-openpgp', repository } = about
    const origin = { door: 'POST', address, request: 'req-1' } as const
    trail.note({ event: 'refused', actor, origin, code, detail: 'It is none', repository })
  }
  return { trail, rows, refuse }
}

const totalOf = (rows: AuditEntry[]) => rows.reduce((sum, { count = 1 }) => sum + count, 0)

test('the first refusal of its kind is written at once, and what equals it becomes one row with a count', async () => {
  const { trail, rows, refuse } = open()
  for (let times = 0; times < 1000; times++) refuse()
  refuse({ address: '192.0.2.2' })
  await new Promise(setImmediate)
  assert.deepEqual(
    rows.map(({ count, origin }) => [origin?.address, count]),
    [
      ['192.0.2.1', undefined],
      ['192.0.2.2', undefined],
    ],
  )
  await trail.close()
  assert.deepEqual([rows.length, rows[2]?.count], [3, 999])
  assert.equal(totalOf(rows), 1001)
})

test('who is refused for ever other things gets few rows, and those of others stay apart', async () => {
  const { trail, rows, refuse } = open()
  for (let number = 0; number < 10_000; number++) refuse({ actor: 'token:1 a', repository: `team/${number}` })
  refuse({ actor: 'token:2 b', repository: 'team/app' })
  await trail.close()
  assert.ok(rows.length <= 55, `${rows.length} rows`)
  assert.equal(rows.filter(({ actor }) => actor === 'token:2 b')[0]?.repository, 'team/app')
  assert.equal(totalOf(rows), 10_001)
})

test('neither many addresses nor one network of IPv6 fill it, and each refusal is counted', async () => {
  const { trail, rows, refuse } = open()
  for (let number = 0; number < 5000; number++) refuse({ address: `2001:db8::${number.toString(16)}` })
  const ofNetwork = rows.length
  for (let number = 0; number < 100_000; number++)
    refuse({ address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}` })
  refuse({ actor: 'token:2 b', repository: 'team/app' })
  await trail.close()
  assert.ok(ofNetwork <= 52)
  assert.ok(rows.length <= 1100, `${rows.length} rows`)
  assert.ok(rows.some(({ actor }) => actor === 'token:2 b'))
  assert.ok((rows.find(({ event }) => event === 'left-out')?.count ?? 0) > 90_000)
  assert.equal(totalOf(rows), 105_001)
})

test('what cannot be written is counted, and told when there is room again', async () => {
  let isFull = true
  const { trail, rows, refuse } = open(async () => {
    if (isFull) throw new Error('the disk is full')
  })
  for (let number = 0; number < 10; number++) refuse({ repository: `team/${number}` })
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  isFull = false
  await trail.close()
  assert.deepEqual(
    rows.map(({ event, count }) => [event, count]),
    [['left-out', 10]],
  )
})

test('while a write is under way, what comes waits, in bounded memory', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { trail, rows, refuse } = open(() => promise)
  for (let number = 0; number < 20_000; number++) {
    refuse({ address: `10.0.${number >> 8}.${number & 255}`, repository: 'x'.repeat(100_000) })
    if (number % 1000 === 0) await new Promise(setImmediate)
  }
  assert.equal(rows.length, 0)
  resolve()
  await trail.close()
  assert.ok(rows.length <= 1100)
  assert.ok(rows.every(({ repository = '' }) => repository.length <= 255))
  assert.equal(totalOf(rows), 20_000)
})
