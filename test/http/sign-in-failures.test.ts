import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signInFailures } from '../../src/http/sign-in-failures.ts'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'
import { basic, extensionPath, registryRefusal } from './extension-client.ts'

const wrong = 'lks_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

test('who fails too often is told to wait, and good tokens and reads go on', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const upload = (by: string) => ask(server, 'POST', '/api/v1/signatures', { token: by, body: newBlob() })
  for (let failures = 0; failures < 30; failures++) assert.equal((await upload(wrong)).status, 401)
  const refused = await upload(wrong)
  assert.deepEqual([refused.status, refused.json().code], [429, 'too-many-failures'])
  assert.match(String(refused.headers['retry-after']), /^([1-9]|[1-5][0-9]|60)$/)
  assert.equal(refused.headers['www-authenticate'], undefined)
  const registered = await ask(server, 'PUT', extensionPath(), {
    headers: { authorization: basic('me', wrong) },
  })
  assert.deepEqual(registryRefusal(registered), [429, 'TOOMANYREQUESTS', 'too-many-failures'])
  const added = await upload(token)
  assert.equal(added.status, 201)
  const slot = String(added.headers.location).replace(/^http:..[^/]*/, '')
  assert.equal((await ask(server, 'GET', slot, { token: wrong })).status, 200)
  // To come without credentials is how clients begin.
  assert.equal((await ask(server, 'POST', '/api/v1/signatures', { body: newBlob() })).status, 401)
})

test('the address is the one that a trusted proxy names, and nobody else', async () => {
  const from = (server: { port: number }, address: string) =>
    ask(server, 'POST', '/api/v1/signatures', {
      token: wrong,
      headers: { 'x-forwarded-for': address },
      body: newBlob(),
    })
  const open = await testServer()
  for (let failures = 0; failures < 30; failures++)
    assert.equal((await from(open, `192.0.2.${failures}`)).status, 401)
  assert.equal((await from(open, '192.0.2.99')).status, 429)
  const behind = await testServer({ trustedProxies: ['127.0.0.0/8'] })
  for (let failures = 0; failures < 30; failures++)
    assert.equal((await from(behind, `198.51.100.${failures}, 192.0.2.1`)).status, 401)
  assert.equal((await from(behind, '192.0.2.1')).status, 429)
  assert.equal((await from(behind, '192.0.2.2')).status, 401)
})

test('failures are counted for a minute, and memory is bounded', () => {
  let now = 0
  const failed = signInFailures(() => now)
  for (let failures = 0; failures < 30; failures++) assert.equal(failed('192.0.2.1'), null)
  now = 59_000
  assert.equal(failed('192.0.2.1'), 1)
  now = 60_000
  assert.equal(failed('192.0.2.1'), null)
  for (let failures = 0; failures < 30; failures++) failed('192.0.2.1')
  for (let other = 0; other < 10_000; other++) failed(`10.0.${other >> 8}.${other & 255}`)
  assert.equal(failed('192.0.2.1'), null)
})
