import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditRecord } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

test('a server killed among changes has each that it answered in the audit trail, with where it came from', async () => {
  const data = temporaryFolder()
  const token = await newToken(data, [{ action: 'admin' }])
  const running = await spawnServer(data)
  const answered: { uploaded: number[]; withdrawn: number[] } = { uploaded: [], withdrawn: [] }
  const enough = Promise.withResolvers<void>()
  let number = 0
  const work = async () => {
    for (;;) {
      const body = newBlob({ digest: `sha256:${String(number++).padStart(64, '0')}` })
      const { id } = (await ask(running, 'POST', '/api/v1/signatures', { token, body })).json()
      answered.uploaded.push(id)
      const path = `/api/v1/signatures/${id}?reason=test`
      assert.equal((await ask(running, 'DELETE', path, { token })).status, 200)
      answered.withdrawn.push(id)
      if (answered.withdrawn.length > 50) enough.resolve()
    }
  }
  const workers = Array.from({ length: 8 }, () => work().catch(() => {}))
  await enough.promise
  await running.end('SIGKILL')
  await Promise.all(workers)

  const storage = openSqlite({ dataFolder: data })
  const records: AuditRecord[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page = await storage.audit({ after, limit: 1000 })
    records.push(...page.records)
    after = page.next
  }
  const { seq } = await storage.head()
  await storage.close()
  for (const event of ['uploaded', 'withdrawn'] as const) {
    const found = new Set(
      records.filter((record) => record.event === event).map(({ signature }) => signature),
    )
    for (const id of answered[event]) assert.ok(found.has(id), `${event} ${id}`)
  }
  const changes = records.filter(({ change }) => change !== null)
  assert.deepEqual(
    changes.map(({ change }) => change),
    Array.from({ length: seq }, (_, index) => index + 1),
  )
  assert.ok(changes.every(({ address }) => address === '127.0.0.1'))
})
