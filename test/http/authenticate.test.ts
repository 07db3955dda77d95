import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseToken } from '../../src/access/token.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'

test('a token that another process has revoked is refused at once, however busy it keeps the server', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const id = parseToken(token)?.id ?? ''
  const upload = () => ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob() })
  let revoked = false
  const busy = async () => {
    const statuses: { status: number; late: boolean }[] = []
    for (let late = false; !late; ) {
      late = revoked
      statuses.push({ status: (await upload()).status, late })
    }
    return statuses
  }
  const signers = Array.from({ length: 8 }, busy)
  assert.equal((await upload()).status, 201)
  const storage = openSqlite({ dataFolder: server.data })
  assert.equal(await storage.revokeToken(id, Date.now()), true)
  revoked = true
  await storage.close()
  for (const { status, late } of (await Promise.all(signers)).flat())
    if (late) assert.equal(status, 401)
    else assert.ok(status === 201 || status === 401)
})
