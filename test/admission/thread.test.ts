import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { type AdmissionLimits, startAdmission } from '../../src/admission/thread.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import type { Refusal } from '../../src/refusal.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

/** An admission thread on a database of its own, which other programs can keep from committing. */
async function open(limits: AdmissionLimits) {
  const ends: (() => Promise<void> | void)[] = []
  const dataFolder = temporaryFolder(async () => {
    for (const end of ends.reverse()) await end()
  })
  const storage = openSqlite({ dataFolder })
  ends.push(storage.close)
  const thread = startAdmission(
    { dataFolder, rules: { digestViews: [], sigstoreJson: false }, trust: { gates: {} }, graceSeconds: 300 },
    { onCrash: (error) => assert.fail(error), onNews: () => {} },
    limits,
  )
  ends.push(thread.close)
  const other = new Database(join(dataFolder, 'lookaside.db'))
  ends.push(() => void other.close())
  let count = 0
  const upload = (name: string) => {
    const digest = parseDigest(`sha256:${String(count++).padStart(64, '0')}`)
    return thread.admit({
      bytes: newBlob({ digest }),
      principal: { name, scopes: [{ action: 'admin' }] },
      actor: name,
      origin: commandLine,
      repository: null,
      digest: null,
    })
  }
  await upload('first')
  return { storage, upload, lock: () => other.exec('BEGIN IMMEDIATE'), unlock: () => other.exec('COMMIT') }
}

const isBusy = (error: Refusal) => {
  assert.equal(error.code, 'busy')
  assert.ok((error.retrySeconds ?? 0) >= 1)
  return true
}

test('who has many uploads waiting does not keep another one from his', async () => {
  const underWay = 4
  const { storage, upload, lock, unlock } = await open({
    waiting: { jobs: 1000, bytes: 1e9 },
    underWay: { jobs: underWay, bytes: 1e9 },
  })
  const { seq } = await storage.head()
  lock()
  const many = Array.from({ length: 200 }, () => upload('many'))
  const { signature } = await Promise.all([upload('one'), unlock()]).then(([admitted]) => admitted)
  // Before it come what the thread had, and one whose turn it was.
  assert.ok(signature.id <= seq + underWay + 2, `it is number ${signature.id - seq}`)
  await Promise.all(many)
})

test('what the queue cannot hold is refused as busy, with a time, and who has little waiting is taken in', async () => {
  const { storage, upload, lock, unlock } = await open({
    waiting: { jobs: 10, bytes: 1e9 },
    underWay: { jobs: 4, bytes: 1e9 },
  })
  const { seq } = await storage.head()
  lock()
  const many = Array.from({ length: 20 }, () => upload('many'))
  const settled = Promise.allSettled(many)
  // All come in one turn, before the thread has any of them.
  for (const refused of many.slice(10)) await assert.rejects(refused, isBusy)
  const one = upload('one')
  unlock()
  assert.equal((await one).outcome, 'added')
  const ends = await settled
  assert.deepEqual(
    ends.map(({ status }) => status),
    [...Array(9).fill('fulfilled'), ...Array(11).fill('rejected')],
    'the last of many gave its place to one',
  )
  assert.equal((await storage.head()).seq, seq + 10)
  assert.equal((await upload('many')).outcome, 'added')
})
