import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signedMessage } from '../openpgp/write.ts'
import { ask, testServer } from '../server.ts'
import { claimOf } from '../signing.ts'

test('a page of large claims ends early, and the next ones have the rest', async () => {
  const large = await testServer()
  const admin = await large.token('push:**')
  for (let count = 0; count < 12; count++) {
    const optional = { x: String(count).padEnd(60_000, 'x') }
    const body = signedMessage(JSON.stringify({ ...JSON.parse(claimOf()), optional }))
    assert.equal((await ask(large, 'POST', '/api/v1/signatures', { token: admin, body })).status, 201)
  }
  const ids: number[] = []
  let pages = 0
  for (let after: number | null = 0; after !== null; pages++) {
    const answer = await ask(large, 'GET', `/api/v1/signatures?limit=1000&after=${after}`)
    const page = answer.json<{ signatures: { id: number }[]; next: number | null }>()
    ids.push(...page.signatures.map(({ id }) => id))
    after = page.next
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 12 }, (_, index) => index + 1),
  )
  assert.ok(pages >= 3)
})

test('numbers are whole and written as numbers are', async () => {
  const server = await testServer()
  for (const path of ['true', '1n', '+1', '0x1', '1e0', '%201', '01', '9007199254740993'])
    assert.equal((await ask(server, 'GET', `/api/v1/signatures/${path}`)).status, 400, path)
  for (const query of ['limit=0', 'limit=1001', 'limit=1.5', 'limit=', 'after=false', 'after=-1', 'key=0123'])
    assert.equal((await ask(server, 'GET', `/api/v1/signatures?${query}`)).status, 400, query)
})
