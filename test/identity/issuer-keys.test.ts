import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { Events } from 'oauth2-mock-server'
import { oidcIssuers } from '../../src/identity/issuers.ts'
import { Refusal } from '../../src/refusal.ts'
import { answerRaw, startUpstream } from '../http/upstream.ts'
import { audience, startIssuer, type TestIssuer } from './issuer.ts'

const second = 1000
const hour = 3_600 * second
const rules = [{ claims: new Map([['job', 'release']]), allow: [] }]

/** The server's view of an issuer, by a clock that the test sets. */
function seen(issuer: TestIssuer) {
  const time = { now: Date.now() }
  const { signIn, close } = oidcIssuers([{ ...issuer.config(rules), ca: [] }], () => time.now)
  const token = (kid: string) => {
    const now = Math.floor(time.now / second)
    return issuer.token({ job: 'release', iat: now, nbf: now, exp: now + 300 }, { kid })
  }
  return { time, close, enter: async (kid = 'rsa') => signIn(await token(kid)) }
}

const refusal = (code: string, retrySeconds?: number) => (error: unknown) => {
  assert.ok(error instanceof Refusal, String(error))
  assert.equal(error.code, code)
  if (retrySeconds !== undefined) assert.equal(error.retrySeconds, retrySeconds)
  return true
}

test('keys outlast an issuer that is down, but not for ever, and come back with it', async () => {
  const issuer = await startIssuer()
  const { time, enter, close } = seen(issuer)
  const port = issuer.server.address().port
  await enter()
  await issuer.server.stop()
  for (const milliseconds of [second, hour, 3 * hour - 2 * second]) {
    time.now += milliseconds
    await enter()
  }
  time.now += 2 * second
  await assert.rejects(enter(), refusal('issuer-unreachable'))
  await issuer.server.start(port, 'localhost')
  // What has just failed is not tried again at once.
  await assert.rejects(enter(), refusal('issuer-unreachable', 28))
  time.now += 28 * second
  await enter()
  await close()
})

test('a token whose key is not known yet is not called bad while the issuer is down', async () => {
  const issuer = await startIssuer()
  const { time, enter, close } = seen(issuer)
  await enter()
  await issuer.server.stop()
  await issuer.addKey('next', 'RS256')
  await assert.rejects(enter('next'), refusal('bad-credentials'))
  time.now += 31 * second
  await assert.rejects(enter('next'), refusal('issuer-unreachable', 30))
  await close()
})

test('a new key is found, and tokens with keys that do not exist ask the issuer once in thirty seconds', async () => {
  const issuer = await startIssuer()
  const { time, enter, close } = seen(issuer)
  let asked = 0
  issuer.server.service.on(Events.BeforeWellKnownOpenIdConfiguration, () => {
    asked += 1
  })
  await enter()
  await issuer.addKey('next', 'RS256')
  for (let tries = 0; tries < 20; tries++) await assert.rejects(enter('next'), refusal('bad-credentials'))
  assert.equal(asked, 1)
  time.now += 31 * second
  await Promise.all(Array.from({ length: 20 }, () => enter('next')))
  await enter('rsa')
  assert.equal(asked, 2)
  await close()
})

test('an issuer that answers with what it should not is unreachable, and leads nowhere else', async () => {
  const issuer = await startIssuer()
  const elsewhere = await startUpstream((_request, response) => response.end('{"keys":[]}'))
  let metadata: Record<string, unknown> = {}
  let answer: Parameters<typeof startUpstream>[0] = () => {}
  const hostile = await startUpstream((request, response) => {
    if (request.url === '/keys') return answer(request, response)
    return response.end(JSON.stringify({ issuer: hostile.origin, ...metadata }))
  })
  const enter = async () => {
    const settings = { ...issuer.config(rules), issuer: hostile.origin, ca: [] }
    const issuers = oidcIssuers([settings], Date.now)
    const text = await issuer.token({ iss: hostile.origin, aud: audience })
    await assert.rejects(issuers.signIn(text), refusal('issuer-unreachable')).finally(issuers.close)
  }
  for (metadata of [
    {},
    { jwks_uri: 1 },
    { jwks_uri: '/keys' },
    { jwks_uri: 'file:///etc/passwd' },
    { jwks_uri: `${elsewhere.origin}/keys` },
    { jwks_uri: `${hostile.origin}/keys`, issuer: issuer.url },
    { jwks_uri: `${hostile.origin}/keys`, issuer: `${hostile.origin}/` },
  ])
    await enter()
  assert.ok(!hostile.seen.some(({ url }) => url === '/keys'))
  metadata = { jwks_uri: `${hostile.origin}/keys` }
  const answers: (typeof answer)[] = [
    (_request, response) => response.writeHead(302, { location: `${elsewhere.origin}/keys` }).end(),
    (_request, response) => response.writeHead(500).end('{"keys":[]}'),
    (_request, response) => response.end('not JSON'),
    (_request, response) => response.end('null'),
    (_request, response) => response.end('{"keys":{}}'),
    (_request, response) => response.end(JSON.stringify({ keys: [], filler: 'x'.repeat(300_000) })),
    (request) => answerRaw(request, 'HTTP/1.1 200 OK\nContent-Length: 100\n\n{"keys":'),
    ({ socket }) => socket.destroy(),
  ]
  for (answer of answers) await enter()
  assert.equal(hostile.seen.filter(({ url }) => url === '/keys').length, answers.length)
  assert.equal(elsewhere.seen.length, 0)
})

test('a key of an issuer that is none, or too weak, proves nothing, and those beside it do', async () => {
  const issuer = await startIssuer()
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const jwk = weak.publicKey.export({ format: 'jwk' })
  const keys = [
    ...[...issuer.publicKeys].map(([kid, key]) => ({ ...key, kid })),
    { ...jwk, kid: 'weak' },
    { kty: 'RSA', kid: 'n', n: '', e: 'AQAB' },
    { kty: 'RSA', kid: 'e', n: jwk.n, e: '' },
    { kty: 'RSA', kid: 'number', n: 1, e: 2 },
    { kty: 'RSA', kid: 'less' },
    { kty: 'EC', kid: 'curve', crv: 'P-256', x: 'AA', y: 'AA' },
    { kty: 'RSA', kid: 'private', ...weak.privateKey.export({ format: 'jwk' }) },
  ]
  const server = await startUpstream((_request, response) => response.end(JSON.stringify({ keys })))
  const settings = { ...issuer.config(rules), jwksUri: `${server.origin}/keys`, ca: [] }
  const issuers = oidcIssuers([settings], Date.now)
  await issuers.signIn(await issuer.token({ job: 'release' }))
  for (const kid of ['weak', 'n', 'e', 'number', 'less', 'private'])
    await assert.rejects(
      issuers.signIn(await issuer.token({}, { header: { kid } })),
      refusal('bad-credentials'),
      kid,
    )
  const byCurve = await issuer.token({}, { kid: 'ec', header: { kid: 'curve' } })
  await assert.rejects(issuers.signIn(byCurve), refusal('bad-credentials'))
  await issuers.close()
})

test('an issuer that says nothing is given up', { timeout: 30_000 }, async () => {
  const issuer = await startIssuer()
  const silent = await startUpstream(() => {})
  const issuers = oidcIssuers([{ ...issuer.config(rules), issuer: silent.origin, ca: [] }], Date.now)
  const text = await issuer.token({ iss: silent.origin })
  const started = Date.now()
  const many = Array.from({ length: 20 }, () =>
    assert.rejects(issuers.signIn(text), refusal('issuer-unreachable')),
  )
  await Promise.all(many)
  assert.ok(Date.now() - started < 15_000)
  assert.equal(silent.seen.length, 1)
  await issuers.close()
})
