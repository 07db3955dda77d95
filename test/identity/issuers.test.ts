import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { exportSPKI, importJWK } from 'jose'
import { parseScopeTemplate } from '../../src/access/claim-rule.ts'
import { isJwt } from '../../src/access/token.ts'
import { type Issuers, oidcIssuers } from '../../src/identity/issuers.ts'
import { Refusal, type RefusalCode } from '../../src/refusal.ts'
import { audience, startIssuer } from './issuer.ts'

const rules = [
  {
    claims: new Map([['repository_id', '123']]),
    allow: [parseScopeTemplate('push:team/app')],
  },
]

const issuer = await startIssuer()
const issuers = oidcIssuers([{ ...issuer.config(rules), ca: [] }], Date.now)
const own = { repository_id: '123' }
const now = Math.floor(Date.now() / 1000)
const part = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const claims = { iss: issuer.url, aud: audience, sub: 'job', iat: now, exp: now + 300, ...own }

async function refused(text: string, code: RefusalCode, detail: RegExp, by: Issuers = issuers) {
  await assert.rejects(by.signIn(text), (error) => {
    assert.ok(error instanceof Refusal, String(error))
    assert.deepEqual([error.code, detail.test(error.message)], [code, true], error.message)
    for (const secret of text.split('.').filter((each) => each.length > 8))
      assert.ok(!error.message.includes(secret))
    return true
  })
}

test('a token of the issuer signs in, and the log can name it', async () => {
  for (const kid of ['rsa', 'ec']) {
    const text = await issuer.token({ ...own, sub: 'repo:octo/app:ref:refs/heads/main' }, { kid })
    assert.ok(issuers.knows(text))
    assert.deepEqual(await issuers.signIn(text), {
      principal: {
        name: 'repo:octo/app:ref:refs/heads/main',
        scopes: [{ action: 'push', pattern: 'team/app' }],
      },
      actor: `oidc:${issuer.url} repo:octo/app:ref:refs/heads/main`,
    })
  }
  const { actor } = await issuers.signIn(
    await issuer.token({ ...own, sub: `a\r\nb\u001b[1mü${'x'.repeat(999)}` }),
  )
  assert.match(actor, /^oidc:http:\/\/localhost:\d+ a\?\?b\?\[1m\?x+\.\.\.$/)
  assert.ok(actor.length < 350)
  const several = await issuer.token({ ...own, aud: ['https://other.example', audience] })
  assert.ok(issuers.knows(several))
  await issuers.signIn(several)
})

test('a token that is not, not yet or no more good is refused, with the reason', async () => {
  const cases: [claims: Record<string, unknown>, detail: RegExp][] = [
    [{ exp: now - 60 }, /has expired/],
    [{ exp: undefined }, /no claim "exp"/],
    [{ exp: `${now + 300}` }, /"exp" .* not as it must be/],
    [{ exp: null }, /"exp" .* not as it must be/],
    [{ iat: undefined }, /no claim "iat"/],
    [{ iat: now + 120, exp: now + 300 }, /not valid yet/],
    [{ nbf: now + 120 }, /not valid yet/],
    [{ exp: now + 86_400 + 60 }, /longer than 86400 seconds/],
    [{ iat: now - 86_400 }, /longer than 86400 seconds/],
    [{ aud: 'https://other.example' }, /another audience than https:\/\/sigs\.example\.com/],
    [{ aud: [] }, /another audience/],
    [{ aud: `${audience}/` }, /another audience/],
    [{ aud: undefined }, /no claim "aud"/],
    [{ iss: `${issuer.url}/` }, /of an issuer that is not known/],
    [{ iss: undefined }, /of an issuer that is not known/],
    [{ iss: [issuer.url] }, /of an issuer that is not known/],
    [{ sub: undefined }, /no claim "sub"/],
    [{ sub: '' }, /no subject/],
    [{ sub: 1 }, /no subject/],
  ]
  for (const [changed, detail] of cases)
    await refused(await issuer.token({ ...own, ...changed }), 'bad-credentials', detail)
})

test('a good token that no rule is for is allowed nothing', async () => {
  for (const repository_id of ['124', 123, ['123'], undefined])
    await refused(await issuer.token({ repository_id }), 'not-allowed', /No rule for .* matches/)
})

test('no algorithm, a shared secret and a key that the token brings are all refused', async () => {
  const spki = await exportSPKI(
    (await importJWK(issuer.publicKeys.get('rsa') as object, 'RS256')) as CryptoKey,
  )
  const modulus = Buffer.from((issuer.publicKeys.get('rsa') as { n: string }).n, 'base64url')
  for (const alg of ['none', 'None', 'NONE'])
    for (const signature of ['', 'AAAA'])
      await refused(`${part({ alg, kid: 'rsa' })}.${part(claims)}.${signature}`, 'bad-credentials', /./)
  for (const alg of ['HS256', 'HS384', 'HS512'])
    for (const secret of [spki, spki.trim(), modulus, '']) {
      const signed = `${part({ alg, kid: 'rsa' })}.${part(claims)}`
      const mac = createHmac(alg.replace('HS', 'sha'), secret).update(signed).digest('base64url')
      await refused(`${signed}.${mac}`, 'bad-credentials', /algorithm that is not taken/)
    }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  const before = issuer.server.issuer.url
  for (const header of [
    { jwk },
    { jku: `${before}/evil` },
    { x5u: `${before}/evil` },
    { x5c: [publicKey.export({ format: 'der', type: 'spki' }).toString('base64')] },
    { kid: 'rsa', jwk },
    { kid: 'ec' },
    { kid: '../../etc/passwd' },
    { kid: ['rsa'] },
  ]) {
    const signed = `${part({ alg: 'RS256', ...header })}.${part(claims)}`
    const signature = sign('sha256', Buffer.from(signed), privateKey).toString('base64url')
    await refused(`${signed}.${signature}`, 'bad-credentials', /./)
  }
})

test('an algorithm that is not configured is refused, whatever key there is', async () => {
  await issuer.addKey('pss', 'PS256')
  await refused(await issuer.token(own, { kid: 'pss' }), 'bad-credentials', /algorithm that is not taken/)
})

test('extensions that must be understood, and texts that two readers read differently, are refused', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await issuer.server.issuer.keys.add({
    ...privateKey.export({ format: 'jwk' }),
    kid: 'forger',
    alg: 'RS256',
  } as never)
  const fresh = oidcIssuers([{ ...issuer.config(rules), ca: [] }], Date.now)
  const signed = (header: object | string, payload: object | string) => {
    const text = `${part(header)}.${part(payload)}`
    return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`
  }
  const header = { alg: 'RS256', kid: 'forger' }
  await fresh.signIn(signed(header, claims))
  const json = JSON.stringify(claims)
  for (const text of [
    signed({ ...header, crit: ['exp'], exp: 1 }, claims),
    signed({ ...header, crit: [] }, claims),
    signed({ ...header, crit: ['b64'], b64: false }, claims),
    signed(header, json.replace('{', '{"repository_id":"124",')),
    signed(header, json.replace('{', '{"repository\\u005fid":"124",')),
    signed(header, `\ufeff${json}`),
    signed(header, `${json}{}`),
    signed(header, `[${json}]`),
    signed('{"alg":"none","alg":"RS256","kid":"forger"}', claims),
    signed(header, json.replace(/"exp":\d+/, '"exp":1e999')),
  ])
    await refused(text, 'bad-credentials', /./, fresh)
  await fresh.close()
})

test('what is no JWT is nobody’s, and one for this server is known however spoilt', async () => {
  for (const text of [
    '',
    'lks_00000000_x',
    'a.b',
    'a.b.c.d',
    'a.b.c',
    'a b.c.d',
    `${part('{')}.${part('null')}.x`,
  ]) {
    assert.equal(issuers.knows(text), false)
    if (isJwt(text)) await refused(text, 'bad-credentials', /issuer that is not known/)
  }
  const long = await issuer.token({ ...own, more: 'x'.repeat(8192) })
  // What is for this server is known even where it is spoilt: it must not go elsewhere.
  for (const spoilt of [long, `${long}\n`, ` ${long}`, `${long}==`, long.replace(/[^.]*$/, '')])
    assert.ok(issuers.knows(spoilt))
  await refused(long, 'bad-credentials', /longer than 8192 characters/)
})
