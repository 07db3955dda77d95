import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'
import { reason } from './withdrawing.ts'

const refusals = 20_000
const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']
const connections = 8

test('20,000 refused uploads from several addresses are a handful of rows, hold up no good upload, and hide nothing', async () => {
  const server = await testServer({ audit: { days: 90, rows: 1000 } })
  const admin = await server.token('admin')
  const hostile = await server.token('push:evil/**')
  const upload = async (digest: string) => {
    const answer = await ask(server, 'POST', '/api/v1/signatures', {
      token: admin,
      body: newBlob({ digest }),
    })
    assert.equal(answer.status, 201)
    return answer.json().id as number
  }
  const hex = (number: number) => `sha256:${String(number).padStart(64, '0')}`
  const withdrawn = await upload(hex(0))
  await ask(server, 'DELETE', `/api/v1/signatures/${withdrawn}?${reason}`, { token: admin })

  let refused = 0
  const flood = async (localAddress: string, index: number) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let count = 0; count < refusals / addresses.length / connections; count++) {
      // Another place each time, with a token and without.
      const path = `/api/v1/signatures?repository=evil/${index}-${count}`
      const token = count % 2 ? { token: hostile } : {}
      const { status } = await ask(server, 'POST', path, { agent, localAddress, body: 'junk', ...token })
      assert.equal(status, count % 2 ? 422 : 401)
      refused++
    }
    agent.destroy()
  }
  const floods = addresses.flatMap((address) =>
    Array.from({ length: connections }, (_, index) => flood(address, index)),
  )
  /** How many refusals each good upload took, meanwhile. */
  const took: number[] = []
  while (refused < refusals * 0.9) {
    const before = refused
    await upload(hex(took.length + 1))
    took.push(refused - before)
  }
  await Promise.all(floods)
  await server.close()

  took.sort((a, b) => a - b)
  // Those that are under way at once, and as many again for each of the few turns that an upload takes.
  const several = 10 * addresses.length * connections
  assert.ok(took.length > 20, `${took.length} good uploads`)
  assert.ok(
    (took[took.length >> 1] ?? 0) < several,
    `the median upload took ${took[took.length >> 1]} refusals`,
  )

  const db = new Database(join(server.data, 'lookaside.db'), { readonly: true })
  const rows = (condition: string) =>
    db
      .prepare(`SELECT count(*) AS n, coalesce(sum(count), 0) AS total FROM audit WHERE ${condition}`)
      .get() as {
      n: number
      total: number
    }
  const ofKnown = rows("code IS NOT NULL AND actor IS NOT NULL OR event = 'left-out'")
  const ofStrangers = rows('code IS NOT NULL AND actor IS NULL')
  assert.ok(ofKnown.n <= 150 && ofStrangers.n <= 50, 'the shares of refusals among 1,000 rows')
  assert.ok(rows("event = 'uploaded'").n <= 500)
  const kept = db.prepare("SELECT signature FROM audit WHERE event = 'withdrawn'").pluck().all()
  assert.deepEqual(kept, [withdrawn])
  db.close()
})

test('a token cannot be guessed unseen: each wrong one counts', async () => {
  const server = await testServer()
  const admin = await server.token('admin')
  const guess = (number: number) => `lks_${String(number).padStart(8, '0')}_${'x'.repeat(43)}`
  for (let number = 0; number < 100; number++)
    await ask(server, 'POST', '/api/v1/signatures', { token: guess(number), localAddress: '127.0.0.6' })
  await server.close()
  const again = await testServer({ data: server.data })
  let records: { count: number; code: string }[] = []
  await eventually(async () => {
    const path = '/api/v1/audit?address=127.0.0.6'
    records = (await ask(again, 'GET', path, { token: admin })).json().records
    return records.length > 0
  })
  assert.deepEqual(
    [
      [...new Set(records.map(({ code }) => code))].sort(),
      records.reduce((sum, { count }) => sum + count, 0),
    ],
    [['bad-credentials', 'too-many-failures'], 100],
  )
})
