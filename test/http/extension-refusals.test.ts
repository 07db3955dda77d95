import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDigest } from '../../src/reference/digest.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import {
  basic,
  extensionObject,
  extensionPath,
  listed,
  putObject,
  registryRefusal,
} from './extension-client.ts'

const server = await testServer()
const token = await server.token('push:**')
const digest = exampleDigest('1')

const put = (path: string, object: unknown, { token: bearer = token, on = server, headers = {} } = {}) =>
  putObject(on, path, object, { authorization: `Bearer ${bearer}`, ...headers })
const list = (path: string, on = server, headers = {}) => listed(on, path, headers)

test('names and digests that are none are told apart, whoever asks', async () => {
  const long = `${'n'.repeat(250)}/${'n'.repeat(50)}`
  const wrong: [string, unknown[]][] = [
    [extensionPath('Team/App'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('team/../app'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('..%2f..%2fetc'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('team/app%00'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('team//app'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('t%C3%A9am/app'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('team/app%0d%0ax'), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath(long), [400, 'NAME_INVALID', 'bad-reference']],
    [extensionPath('team/app', 'sha256:1'), [400, 'DIGEST_INVALID', 'bad-digest']],
    [extensionPath('team/app', `md5:${'1'.repeat(32)}`), [400, 'DIGEST_INVALID', 'bad-digest']],
    [extensionPath('team/app', `sha256:${'A'.repeat(64)}`), [400, 'DIGEST_INVALID', 'bad-digest']],
    [extensionPath('team/app', `sha512:${'a'.repeat(64)}`), [400, 'DIGEST_INVALID', 'bad-digest']],
    [extensionPath('team/app', `sha256=${'a'.repeat(64)}`), [400, 'DIGEST_INVALID', 'bad-digest']],
    [extensionPath('', digest), [404, 'MANIFEST_UNKNOWN', 'not-found']],
    ['/extensions/v2/team/app', [404, 'MANIFEST_UNKNOWN', 'not-found']],
    [extensionPath('team/%ff'), [400, 'UNSUPPORTED', undefined]],
    [extensionPath('team/%zz'), [400, 'UNSUPPORTED', undefined]],
  ]
  for (const [path, expected] of wrong) {
    assert.deepEqual(registryRefusal(await ask(server, 'GET', path)), expected, path)
    assert.deepEqual(registryRefusal(await put(path, extensionObject(newBlob({ digest })))), expected, path)
  }
  const body = newBlob({ digest: parseDigest(`sha512:${'a'.repeat(128)}`) })
  const sha512 = await put(
    extensionPath('team/app', `sha512:${'a'.repeat(128)}`),
    extensionObject(body, `sha512:${'a'.repeat(128)}`),
  )
  assert.equal(sha512.status, 201)
})

test('a name of a repository that no file system holds is refused', async () => {
  const answer = await put(extensionPath(`team/${'n'.repeat(184)}`), extensionObject(newBlob({ digest })))
  assert.deepEqual(registryRefusal(answer), [400, 'NAME_INVALID', 'name-too-long'])
})

test('what is no signature of the extension is refused, and nothing of it is stored', async () => {
  const of = exampleDigest('7')
  const path = extensionPath('team/app', of)
  const good = extensionObject(newBlob({ digest: of }), of)
  const { schemaVersion, name, content, ...rest } = good
  const url = Buffer.concat([newBlob({ digest: of }), Buffer.from([0xfb, 0xff, 0xfe])]).toString('base64url')
  const nested = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  const bodies: (string | Buffer)[] = [
    '',
    '{',
    'null',
    '[]',
    '"text"',
    '[{}]',
    Buffer.from([0xff, 0xfe]),
    JSON.stringify({ ...rest, name, content }),
    JSON.stringify({ ...rest, name, content, version: 2 }),
    JSON.stringify({ ...good, schemaVersion: 1 }),
    JSON.stringify({ ...good, schemaVersion: '2' }),
    JSON.stringify({ ...good, type: 'cosign' }),
    JSON.stringify({ ...good, type: undefined }),
    JSON.stringify({ ...rest, schemaVersion, content }),
    JSON.stringify({ ...good, name: `${exampleDigest('8')}@${'e'.repeat(32)}` }),
    JSON.stringify({ ...good, name: `${of}@${'e'.repeat(31)}` }),
    JSON.stringify({ ...good, name: `${of}@${'/'.repeat(32)}` }),
    JSON.stringify({ ...good, content: undefined }),
    JSON.stringify({ ...good, content: 7 }),
    JSON.stringify({ ...good, content: '' }),
    JSON.stringify({ ...good, content: 'not base64!' }),
    JSON.stringify({ ...good, content: content.slice(1) }),
    JSON.stringify({ ...good, content: ` ${content}` }),
    JSON.stringify({ ...good, content: url }),
    JSON.stringify({ ...good, content: Buffer.from('hello').toString('base64') }),
    JSON.stringify({ ...good, content: newBlob({ digest: exampleDigest('8') }).toString('base64') }),
    JSON.stringify(good).replace('{', '{"type":"atomic",'),
    JSON.stringify(good).replace('{', `{"deep":${nested},`),
    JSON.stringify(good).replace('{', '{"__proto__":{"type":"atomic"},').replace('"type":"atomic",', ''),
    `${JSON.stringify(good)} {}`,
  ]
  for (const body of bodies) {
    const answer = await ask(server, 'PUT', path, { token, body })
    assert.deepEqual(
      registryRefusal(answer).slice(0, 2),
      [400, 'SIGNATURE_INVALID'],
      body.toString().slice(0, 200),
    )
  }
  assert.deepEqual(await list(path), [])
  const extra = await put(path, { ...good, version: 1, other: { deep: [] } })
  assert.equal(extra.status, 201)
})

test('a body of any size is refused as too large, and the server goes on', async () => {
  const length = 100 * 1024 * 1024
  const answer = await ask(server, 'PUT', extensionPath(), { token, body: Buffer.alloc(length, '{') })
  assert.deepEqual(registryRefusal(answer).slice(0, 2), [413, 'SIZE_INVALID'])
  assert.deepEqual(await list(extensionPath()), [])
})

test('what is not for signatures of a registry is answered so', async () => {
  for (const method of ['DELETE', 'OPTIONS', 'PATCH', 'POST']) {
    const headers = { 'content-length': '1' }
    const answer = await ask(server, method, extensionPath(), { token, headers, body: '{' })
    assert.deepEqual(registryRefusal(answer), [405, 'UNSUPPORTED', 'method-not-allowed'])
    assert.equal(answer.headers.allow, 'GET, HEAD, PUT')
  }
  assert.equal(registryRefusal(await ask(server, 'TRACE', extensionPath()))[0], 404)
})

test('credentials are asked for before the body is read, in the way that clients of registries answer', async () => {
  const object = extensionObject(newBlob({ digest }))
  const none = await ask(server, 'PUT', extensionPath(), { body: Buffer.alloc(1024 * 1024) })
  assert.deepEqual(registryRefusal(none), [401, 'UNAUTHORIZED', 'no-credentials'])
  assert.equal(none.headers['www-authenticate'], 'Basic realm="lookaside", charset="UTF-8"')
  const wrong = token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  for (const authorization of [`Bearer ${wrong}`, basic('me', wrong), basic('me', 'junk'), basic('', '')]) {
    const answer = await ask(server, 'PUT', extensionPath(), { headers: { authorization }, body: '{' })
    assert.deepEqual(registryRefusal(answer).slice(0, 2), [401, 'UNAUTHORIZED'])
  }
  const other = await server.token('push:other/**', 'relocate:**', 'read:**')
  const denied = await put(extensionPath(), object, { token: other })
  assert.deepEqual(registryRefusal(denied), [403, 'DENIED', 'not-allowed'])
  assert.deepEqual(await list(extensionPath()), [])
  const headers = { authorization: basic('anybody', token) }
  assert.equal(
    (await ask(server, 'PUT', extensionPath(), { headers, body: JSON.stringify(object) })).status,
    201,
  )
})
