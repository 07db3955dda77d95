import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { packetTag } from '../../src/openpgp/packets.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { armored, packet, signedMessage } from '../openpgp/write.ts'
import { ask, newToken, testServer } from '../server.ts'
import { claimOf, exampleDigest, newBlob, variantOf } from '../signing.ts'

const server = await testServer()
const token = await server.token('push:**')
const digest = exampleDigest('1')
const at = (repository: string, of = digest) =>
  `/signatures/${formatLocation({ kind: 'repository', name: repository as never, digest: of })}`

test('an uploaded signature is answered with its place, and the next read sees it', async () => {
  const blob = newBlob({ digest })
  const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body: blob })
  assert.equal(answer.status, 201)
  const document = answer.json()
  assert.equal(document.repository, 'team/app')
  assert.equal(document.digest, digest)
  assert.equal(document.slot, 1)
  assert.equal(document.size, blob.length)
  assert.equal(document.format, 'simple-signing')
  assert.equal(document.verdict, 'unknown-key')
  assert.deepEqual(document.claim, JSON.parse(claimOf({ digest })))
  assert.deepEqual(
    Object.keys(document.signer).filter((key) => !key.startsWith('unverified')),
    [],
  )
  assert.equal(answer.headers.location, document.url)
  const read = await ask(server, 'GET', new URL(document.url).pathname)
  assert.equal(read.status, 200)
  assert.deepEqual(read.body, blob)
  assert.deepEqual((await ask(server, 'GET', `/api/v1/signatures/${document.id}`)).json(), document)
})

test('PUT on any slot of the tree stores it in the next free one, and Location says which', async () => {
  const of = exampleDigest('2')
  const put = (slot: number, blob: Buffer) =>
    ask(server, 'PUT', `${at('team/app', of)}/signature-${slot}`, { token, body: blob })
  const first = await put(7, newBlob({ digest: of }))
  assert.equal(first.status, 201)
  assert.match(String(first.headers.location), /signature-1$/)
  const second = await put(1, newBlob({ digest: of }))
  assert.match(String(second.headers.location), /signature-2$/)
})

test('the same signature in other bytes is answered 200 with what is stored, and fills no slot', async () => {
  const of = exampleDigest('3')
  const blob = newBlob({ digest: of })
  const stored = (await ask(server, 'POST', '/api/v1/signatures', { token, body: blob })).json()
  for (const form of [
    blob,
    variantOf(blob),
    armored(blob),
    Buffer.concat([Buffer.from('\0simple-signing\n'), blob]),
  ]) {
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body: form })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.json(), stored)
    assert.equal(answer.headers.location, stored.url)
  }
  assert.equal((await ask(server, 'GET', `${at('team/app', of)}/signature-2`)).status, 404)
})

test('an armored upload is served as the binary message', async () => {
  const of = exampleDigest('4')
  const blob = newBlob({ digest: of })
  await ask(server, 'POST', '/api/v1/signatures', { token, body: armored(blob) })
  assert.deepEqual((await ask(server, 'GET', `${at('team/app', of)}/signature-1`)).body, blob)
})

test('any content type, and none, is taken', async () => {
  const types = [
    undefined,
    'application/json',
    'text/plain',
    'application/octet-stream',
    'nonsense',
    'multipart/form-data',
  ]
  for (const type of types) {
    const headers = type ? { 'content-type': type } : {}
    const answer = await ask(server, 'POST', '/api/v1/signatures', {
      token,
      headers,
      body: newBlob({ digest: exampleDigest('5') }),
    })
    assert.equal(answer.status, 201, String(type))
  }
})

test('without a token the upload is challenged for Basic and Bearer, before its body is read', async () => {
  const answer = await ask(server, 'PUT', `${at('team/app')}/signature-1`, { body: newBlob({ digest }) })
  assert.equal(answer.status, 401)
  assert.match(String(answer.headers['www-authenticate']), /Basic realm=.*Bearer realm=/)
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  assert.equal(answer.json().code, 'no-credentials')
})

test('a token may come as the password of Basic with any user name', async () => {
  const basic = (user: string) => `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`
  for (const user of ['', 'me', 'token']) {
    const headers = { authorization: basic(user) }
    const answer = await ask(server, 'POST', '/api/v1/signatures', { headers, body: newBlob({ digest }) })
    assert.equal(answer.status, 201)
  }
})

test('unknown, altered, expired and revoked tokens are refused', async () => {
  const expired = await newToken(server.data, [{ action: 'admin' }], { expires: Date.now() - 1 })
  const altered = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
  for (const bad of [expired, altered, 'x', `${token}x`, 'lks_00000000_'.padEnd(56, 'A')]) {
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token: bad, body: newBlob() })
    assert.equal(answer.status, 401)
    assert.equal(answer.json().code, 'bad-credentials')
  }
  for (const authorization of [
    'Bearer',
    'Basic',
    'Digest x',
    'Basic !!!',
    `Basic ${Buffer.from('no-colon').toString('base64')}`,
  ]) {
    const answer = await ask(server, 'POST', '/api/v1/signatures', {
      headers: { authorization },
      body: newBlob(),
    })
    assert.equal(answer.status, 401, authorization)
  }
})

test('a token pushes where its pattern says and nowhere else', async () => {
  const narrow = await server.token('push:team/app')
  const answer = (reference: string) =>
    ask(server, 'POST', '/api/v1/signatures', {
      token: narrow,
      body: newBlob({ reference, digest: exampleDigest('6') }),
    })
  assert.equal((await answer('registry.example.com/team/app:2')).status, 201)
  const refused = await answer('registry.example.com/team/other:2')
  assert.equal(refused.status, 403)
  assert.equal(refused.json().code, 'not-allowed')
})

test('a claim about another digest than that of its URL is refused', async () => {
  const answer = await ask(server, 'PUT', `${at('team/app', exampleDigest('8'))}/signature-1`, {
    token,
    body: newBlob({ digest }),
  })
  assert.equal(answer.status, 422)
  assert.equal(answer.json().code, 'digest-mismatch')
})

test('what no file system can hold is refused at the door', async () => {
  const name = `team/${'a'.repeat(184)}`
  const body = newBlob({ reference: `registry.example.com/${name}:1`, digest })
  const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body })
  assert.equal(answer.status, 422)
  assert.equal(answer.json().code, 'name-too-long')
  const longest = newBlob({ reference: `registry.example.com/team/${'a'.repeat(183)}:1`, digest })
  const taken = await ask(server, 'POST', '/api/v1/signatures', { token, body: longest })
  assert.equal(taken.status, 201)
  assert.deepEqual((await ask(server, 'GET', new URL(taken.json().url).pathname)).body, longest)
})

test('a body over the limit is refused, whether it says so or is only sent', async () => {
  const body = Buffer.alloc(131073, 0xa0)
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token, headers, body })
    assert.equal(answer.status, 413)
    assert.equal(answer.json().code, 'too-large')
  }
})

test('an empty body, garbage and a broken claim are refused with their codes, and nothing is kept', async () => {
  const before = (await ask(server, 'GET', '/readyz')).json().head
  const refused = async (body: Buffer | string) => {
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body })
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(answer.json().status, answer.status)
    return [answer.status, answer.json().code]
  }
  assert.deepEqual(await refused(''), [422, 'empty'])
  assert.deepEqual(await refused('<!doctype html>'), [422, 'not-openpgp'])
  assert.deepEqual(await refused(newBlob({ digest: 'sha256:abc' })), [422, 'claim-digest'])
  assert.deepEqual(await refused(Buffer.from('\0sigstore-json\n{}')), [422, 'format-not-permitted'])
  assert.equal((await ask(server, 'GET', '/readyz')).json().head, before)
})

test('other methods and other paths below the tree are refused as problems', async () => {
  const put = await ask(server, 'PUT', '/signatures/team/app', { token, body: newBlob() })
  assert.equal(put.status, 404)
  for (const method of ['DELETE', 'POST', 'PATCH']) {
    const answer = await ask(server, method, `${at('team/app')}/signature-1`, { token })
    assert.equal(answer.status, 405, method)
    assert.equal(answer.json().code, 'method-not-allowed')
  }
})

test('a path that cannot be decoded is a problem like any other', async () => {
  for (const path of ['/api/v1/%zz', '/api/v1/signatures/%', '/%E0%A4%A']) {
    const answer = await ask(server, 'POST', path, { body: 'x' })
    assert.equal(answer.status, 400)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(answer.json().code, 'bad-request')
  }
})

test('a query that is not understood is refused, not passed over', async () => {
  const answer = await ask(server, 'POST', '/api/v1/signatures?repo=team/app', { token, body: newBlob() })
  assert.equal(answer.status, 400)
  assert.equal((await ask(server, 'GET', '/api/v1/signatures?digest=sha256:abc')).json().code, 'bad-digest')
  assert.equal(
    (await ask(server, 'POST', '/api/v1/signatures?repository=Team', { token, body: newBlob() })).json().code,
    'bad-reference',
  )
})

test('the 128th signature of a digest is a 409', async () => {
  const of = exampleDigest('9')
  const answers = await Promise.all(
    Array.from({ length: 130 }, () =>
      ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob({ digest: of }) }),
    ),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 127)
  const refused = answers.filter(({ status }) => status !== 201)
  assert.deepEqual(
    refused.map((answer) => answer.json().code),
    Array(3).fill('too-many-signatures'),
  )
  assert.equal((await ask(server, 'GET', `${at('team/app', of)}/signature-127`)).status, 200)
  assert.equal((await ask(server, 'GET', `${at('team/app', of)}/signature-128`)).status, 404)
})

test('a body that stalls is answered 408 and cut off, and nothing of it is kept', async () => {
  const impatient = await testServer({ uploads: { maxBytes: 131072, sigstoreJson: false, stallSeconds: 1 } })
  const token = await impatient.token('push:**')
  const socket = connect(impatient.port, '127.0.0.1')
  const blob = newBlob()
  socket.write(
    `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${blob.length}\r\n\r\n`,
  )
  socket.write(blob.subarray(0, 100))
  let received = ''
  for await (const chunk of socket) received += chunk
  assert.match(received, /^HTTP\/1\.1 408 /)
  assert.match(received, /"code":"body-timeout"/)
  assert.equal((await ask(impatient, 'GET', '/readyz')).json().head, 0)
})

test('a claim of many values is refused before it is read, however small it is compressed', async () => {
  const optional = { x: Array.from({ length: 50_000 }, () => ({})) }
  const claim = JSON.stringify({ ...JSON.parse(claimOf()), optional })
  const blob = signedMessage(claim)
  const compressed = packet(packetTag.compressed, Buffer.concat([Buffer.from([1]), deflateRawSync(blob)]))
  assert.ok(compressed.length < 2000)
  const refusal = async (body: Buffer) =>
    (await ask(server, 'POST', '/api/v1/signatures', { token, body })).json().code
  assert.equal(await refusal(compressed), 'inflated-too-large')
  assert.equal(await refusal(signedMessage(claim.slice(0, 70_000))), 'too-large')
})
