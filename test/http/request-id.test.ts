import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { spawnServer } from '../process.ts'
import { ask, newToken, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const server = await testServer()

const idOf = async (given?: string | string[], path = '/healthz') => {
  const headers = given === undefined ? {} : { 'x-request-id': given }
  return String((await ask(server, 'GET', path, { headers })).headers['x-request-id'])
}

test('a well-formed request id is kept, and any other request gets one of its own', async () => {
  for (const given of [
    'abc',
    '0af7651916cd43dd8448eb211c80319c',
    'Root=1-67891233-abc:x/y+z',
    'a'.repeat(128),
  ])
    assert.equal(await idOf(given), given)
  for (const given of [
    undefined,
    '',
    'a b',
    'a"b',
    '<b>',
    'a'.repeat(129),
    'ü',
    ['one', 'two'],
    `lks_0123abcd_${'A'.repeat(43)}`,
  ])
    assert.match(await idOf(given), /^[0-9a-f]{8}-[0-9a-f-]{27}$/, String(given))
  assert.notEqual(await idOf(), await idOf())
})

test('every answer has it, but those of slots', async () => {
  for (const path of [
    '/',
    '/nothing',
    '/signatures/',
    '/api/v1/signatures',
    '/api/v1/signatures?x=y',
    '/v2/',
    '/%zz',
    '/metrics',
  ])
    assert.equal(await idOf('mine', path), 'mine', path)
  const slot = await ask(server, 'GET', `/signatures/a/b@sha256=${'a'.repeat(64)}/signature-1`)
  assert.equal(slot.headers['x-request-id'], undefined)
})

test('what the log says of a request has its id, who sent it and from where, and no secret, wherever it was put', async () => {
  const data = temporaryFolder()
  // One socket for both kinds of addresses, as servers have it by default.
  const server = await spawnServer(data, '--listen', ':0')
  const logged = { ...server, origin: `http://127.0.0.1:${new URL(server.origin).port}` }
  const token = await newToken(data, [{ action: 'push', pattern: 'other/**' as never }])
  const [, secret = ''] = /^lks_[0-9a-f]{8}_(.*)$/.exec(token) ?? []
  const basic = Buffer.from(`${token}:${token}`).toString('base64')
  const inPath = encodeURIComponent(token)
  const ways: [method: string, path: string, headers: Record<string, string>][] = [
    ['POST', '/api/v1/signatures', { authorization: `Bearer ${token}` }],
    ['POST', '/api/v1/signatures', { authorization: `bearer  ${token}x` }],
    ['POST', '/api/v1/signatures', { authorization: `Basic ${basic}` }],
    ['POST', '/api/v1/signatures', { authorization: token }],
    ['POST', `/api/v1/signatures?repository=${inPath}`, { authorization: `Bearer ${token}` }],
    ['POST', `/api/v1/signatures?${inPath}=1`, { authorization: `Bearer ${token}` }],
    ['POST', `/api/v1/signatures?token=${inPath}`, {}],
    ['GET', `/api/v1/signatures/${inPath}`, {}],
    ['GET', `/api/v1/gates/${inPath}?image=${inPath}&digest=${inPath}`, {}],
    ['GET', `/api/v1/blobs/${inPath}`, {}],
    ['DELETE', `/api/v1/signatures/1?reason=${inPath}&x=${inPath}`, { authorization: `Bearer ${token}` }],
    ['GET', `/${inPath}`, {}],
    ['GET', `/v2/?account=${inPath}`, { authorization: `Basic ${basic}` }],
    ['PUT', `/extensions/v2/${inPath}/signatures/${inPath}`, { authorization: `Bearer ${token}` }],
    [
      'PUT',
      `/signatures/${inPath}@sha256=${'a'.repeat(64)}/signature-1`,
      { authorization: `Bearer ${token}` },
    ],
    ['GET', '/metrics', { 'x-request-id': token, cookie: token, referer: token, 'user-agent': token }],
    ['GET', `/signatures/${inPath}`, { 'x-request-id': token }],
  ]
  // Node sends the body of any other method without its length, and then the next request behind what is none.
  for (const [method, path, headers] of ways)
    await ask(logged, method, path, { headers, ...(/^P/.test(method) && { body: 'x' }) })
  const body = newBlob({ digest: exampleDigest() })
  const headers = { 'x-request-id': 'the-last' }
  assert.equal((await ask(logged, 'POST', '/api/v1/signatures', { token, body, headers })).status, 403)
  const lineOf = () => logged.log.find(({ reqId }) => reqId === 'the-last')
  await eventually(() => lineOf() !== undefined)
  const line = lineOf()
  assert.equal(line?.code, 'not-allowed')
  assert.match(String(line?.actor), /^token:[0-9a-f]{8} tester$/)
  assert.equal(line?.remote, '127.0.0.1')
  assert.ok(logged.log.filter(({ msg }) => msg === 'refused').length > 8)
  const text = JSON.stringify(logged.log)
  for (const hidden of [secret, basic]) assert.ok(!text.includes(hidden), text)
})
