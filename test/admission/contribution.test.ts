import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Loss, maxCounted, newContribution } from '../../src/admission/contribution.ts'
import { parseRepository, type Repository } from '../../src/reference/repository.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { home, newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

const vendor = parseRepository('vendor')
const name = 'mirror:https://example.com/signatures'

/** A source that has put as many signatures here, as of round 1. */
async function contributionOf(count: number) {
  const dataFolder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder })
  const commits: number[] = []
  const source = newContribution({
    storage,
    source: name,
    prefix: vendor,
    why: { actor: name, reason: null, graceSeconds: 0 },
    onRemoved: (removed) => commits.push(removed),
  })
  const at = (index: number) => home(`vendor/team/app${index}`)
  const add = (index: number) => storage.append(newSignature({ home: at(index), source: { name, round: 1 } }))
  const added = await Promise.all(Array.from({ length: count }, (_, index) => add(index)))
  const keys = added.map(({ signature: { repository, digest, identity } }) => {
    return { repository: repository.slice('vendor/'.length) as Repository, digest, identity }
  })
  return { source, keys, commits }
}

test('of many at most half may go at once, of few all but one', async () => {
  const { source } = await contributionOf(9)
  const losses: [missing: number, before: number, loss: Loss][] = [
    [0, 0, { left: 0, isLikely: true }],
    [8, 9, { left: 1, isLikely: true }],
    [9, 9, { left: 0, isLikely: false }],
    // Where few were known, those that are here are counted.
    [8, 0, { left: 1, isLikely: true }],
    [5, 10, { left: 5, isLikely: true }],
    [6, 10, { left: 4, isLikely: false }],
    [11, 10, { left: 0, isLikely: false }],
    [maxCounted - 1, 2 * maxCounted, { left: maxCounted + 1, isLikely: true }],
    [maxCounted, 2 * maxCounted, { left: maxCounted, isLikely: false }],
  ]
  for (const [missing, before, loss] of losses) assert.deepEqual(await source.weigh(missing, before), loss)
})

test('a source names its signatures as they are there, and what has no room below the prefix is nowhere', async () => {
  const { source, keys } = await contributionOf(3)
  const [one, two] = keys as [(typeof keys)[0], (typeof keys)[0]]
  const strange = { ...one, identity: 'f'.repeat(64) }
  const long = { ...one, repository: parseRepository('a'.repeat(250)) }
  const nowhere: unknown[] = []
  const { ours, others } = await source.confirm([long, two, strange, one], 2, (...it) => nowhere.push(it))
  assert.deepEqual([ours, others], [[two, one], [strange]])
  const [[key, { code }]] = nowhere as [[unknown, { code: string }]]
  assert.deepEqual([nowhere.length, key, code], [1, long, 'bad-reference'])
  assert.equal(await source.missing(2), 1)
  assert.equal(await source.retract([long, strange, two]), 1)
  assert.deepEqual([await source.size(), await source.missing(2)], [2, 1])
})

test('what was not seen in a round goes in parts, and uploads have their turn between them', async () => {
  const { source, keys, commits } = await contributionOf(300)
  await source.confirm(keys.slice(0, 10), 2)
  assert.equal(await source.retractMissing(2), 290)
  assert.deepEqual(commits, [256, 34])
  assert.equal(await source.size(), 10)
})
