import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { type Answer, ask, newToken, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'

/** With those that the thread has at once, more than the queue of uploads can hold: they wait unread. */
const large = Buffer.alloc(131_072)
const tooMany = 700

test('while too much waits, uploads are answered 503 with Retry-After, another token is taken in, and readers notice nothing', async () => {
  const server = await testServer()
  const many = await server.token('push:**')
  const one = await newToken(server.data, [{ action: 'admin' }])
  const upload = (token: string, body: Buffer) => ask(server, 'POST', '/api/v1/signatures', { token, body })
  const first = (await upload(many, newBlob({ digest: exampleDigest('1') }))).json()

  const other = new Database(join(server.data, 'lookaside.db'))
  other.exec('BEGIN IMMEDIATE')
  // The thread waits for the database with it.
  const held = upload(many, newBlob({ digest: exampleDigest('2') }))
  const { promise: refused, resolve: onRefused } = Promise.withResolvers<Answer>()
  const answers = Array.from({ length: tooMany }, async () => {
    const answer = await upload(many, large)
    if (answer.status === 503) onRefused(answer)
    return answer
  })
  const { headers, json } = await refused
  assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
  assert.equal(json().code, 'busy')
  assert.equal((await ask(server, 'GET', new URL(first.url).pathname)).status, 200)

  const taken = upload(one, newBlob({ digest: exampleDigest('3') }))
  other.exec('COMMIT')
  other.close()
  assert.equal((await taken).status, 201)
  assert.equal((await held).status, 201)
  const codes = new Set((await Promise.all(answers)).map((answer) => answer.json().code))
  assert.deepEqual([...codes].sort(), ['busy', 'not-openpgp'])
})
