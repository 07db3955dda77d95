import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { type AdmissionLimits, type AdmissionThreadData, startAdmission } from '../../src/admission/thread.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import type { Refusal } from '../../src/refusal.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { eventually } from '../eventually.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

/** An admission thread on a database of its own, which other programs can keep from committing. */
async function open(
  limits: AdmissionLimits,
  { also = {}, onCrash = assert.fail }: { also?: object; onCrash?: (error: Error) => void } = {},
) {
  const ends: (() => Promise<void> | void)[] = []
  const dataFolder = temporaryFolder(async () => {
    for (const end of ends.reverse()) await end()
  })
  const storage = openSqlite({ dataFolder })
  ends.push(storage.close)
  const data: AdmissionThreadData = {
    dataFolder,
    rules: { digestViews: [], sigstoreJson: false },
    trust: { gates: {} },
    graceSeconds: 300,
  }
  const thread = startAdmission(Object.assign(also, data), { onCrash, onNews: () => {} }, limits)
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
  return {
    storage,
    thread,
    upload,
    lock: () => other.exec('BEGIN IMMEDIATE'),
    unlock: () => other.exec('COMMIT'),
  }
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
  await upload('first')
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
  await upload('first')
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

test('while no thread can be made all is refused as busy, and one is tried until it is there', async () => {
  // What cannot be given to a thread: its constructor throws, as where the process may have no more of them.
  const also: { kept?: () => void } = { kept() {} }
  const crashes: Error[] = []
  const limits = { waiting: { jobs: 100, bytes: 1e9 }, underWay: { jobs: 2, bytes: 1e9 } }
  const { thread, upload } = await open(limits, { also, onCrash: (error) => crashes.push(error) })
  await eventually(() => crashes.length >= 2)
  const uploads = Array.from({ length: 20 }, () => upload('many'))
  const orders = Array.from({ length: 500 }, () => thread.probe())
  for (const end of await Promise.allSettled([...uploads, ...orders, thread.record([])]))
    assert.equal(end.status === 'rejected' && end.reason.code, 'busy')
  assert.deepEqual(thread.depth(), { waiting: 0, underWay: 0 })
  assert.ok(crashes.length < 100, `one is tried once a second, and not for each: ${crashes.length}`)
  delete also.kept
  await eventually(async () => {
    const { outcome } = await upload('one').catch(() => ({ outcome: null }))
    return outcome === 'added'
  })
})
