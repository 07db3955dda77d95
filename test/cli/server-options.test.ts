import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mintToken, tokenRandomBytes } from '../../src/access/token.ts'
import { parseServerUrl, serverAccess } from '../../src/cli/server-options.ts'
import { Refusal } from '../../src/refusal.ts'
import { ensurePrivateCa } from '../../src/tls/private-ca.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()
const { token } = mintToken(randomBytes(tokenRandomBytes))
const { ca, key } = await ensurePrivateCa({ directory: folder, names: [], hostName: 'host', now: new Date() })

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const refused = (about: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Refusal)
  assert.equal(error.code, 'configuration')
  assert.match(error.message, about)
  assert.ok(!error.message.includes(token))
  return true
}

test('without options and variables it is the server that npm start runs, and nobody in particular asks it', () => {
  const env = {}
  assert.deepEqual(serverAccess(env, {}), { url: 'https://localhost:8443', token: null, ca: null, env })
})

test('options go before variables', () => {
  const env = {
    LOOKASIDE_SERVER: 'https://a.example.com',
    LOOKASIDE_TOKEN: 'not a token',
    LOOKASIDE_CA: '/nowhere',
  }
  const access = serverAccess(env, {
    server: 'https://b.example.com/',
    tokenFile: file('token', `${token}\n`),
    ca,
  })
  assert.equal(access.url, 'https://b.example.com')
  assert.equal(access.token, token)
  assert.equal(access.ca?.file, ca)
  assert.match(access.ca?.pem ?? '', /^-----BEGIN CERTIFICATE-----/)
})

test('empty variables count as not set', () => {
  const { url, token, ca } = serverAccess({ LOOKASIDE_SERVER: '', LOOKASIDE_TOKEN: '', LOOKASIDE_CA: '' }, {})
  assert.deepEqual({ url, token, ca }, { url: 'https://localhost:8443', token: null, ca: null })
})

test('what is no token is neither sent nor shown', () => {
  const secret = 'hunter2 and more'
  for (const read of [
    () => serverAccess({ LOOKASIDE_TOKEN: secret }, {}),
    () => serverAccess({}, { tokenFile: file('other', secret) }),
    () => serverAccess({}, { tokenFile: file('two', `${token}\n${token}\n`) }),
    () => serverAccess({}, { tokenFile: file('none', '') }),
  ])
    assert.throws(
      read,
      (error) => refused(/does not hold a token/)(error) && !(error as Error).message.includes('hunter2'),
    )
  assert.throws(() => serverAccess({}, { tokenFile: join(folder, 'missing') }), refused(/cannot be read/))
})

test('a token of an issuer is sent as one of the server is', () => {
  const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2IifQ.c2lnbmF0dXJl'
  assert.equal(serverAccess({ LOOKASIDE_TOKEN: `${jwt}\n` }, {}).token, jwt)
})

test('a token goes in the clear to this machine alone', () => {
  for (const url of ['http://localhost:8080', 'http://127.0.0.1', 'http://127.1.2.3:80', 'http://[::1]:8080'])
    assert.equal(serverAccess({ LOOKASIDE_SERVER: url, LOOKASIDE_TOKEN: token }, {}).token, token)
  for (const url of [
    'http://sigs.example.com',
    'http://127.example.com',
    'http://localhost.example.com',
    'http://[::2]:8080',
    'http://192.0.2.1',
    'HTTP://SIGS.EXAMPLE.COM',
  ])
    assert.throws(
      () => serverAccess({ LOOKASIDE_SERVER: url, LOOKASIDE_TOKEN: token }, {}),
      refused(/in the clear/),
    )
  assert.equal(serverAccess({ LOOKASIDE_SERVER: 'http://sigs.example.com' }, {}).token, null)
})

test('a server is named by a plain URL, and a password in one is not shown', () => {
  assert.equal(
    parseServerUrl('https://sigs.example.com:8443/behind/proxy//'),
    'https://sigs.example.com:8443/behind/proxy',
  )
  for (const text of [
    'sigs.example.com',
    'ftp://sigs.example.com',
    'https://sigs.example.com?a=b',
    'https://a#b',
    '',
  ])
    assert.throws(() => parseServerUrl(text), refused(/http or https URL/))
  for (const text of [
    'https://me:hunter2@sigs.example.com',
    'me:hunter2@sigs.example.com',
    'https:/me:hunter2@:x',
  ])
    assert.throws(
      () => parseServerUrl(text),
      (error) => !(error as Error).message.includes('hunter2'),
    )
  assert.throws(
    () => parseServerUrl('\x1b[2J'),
    (error) => !(error as Error).message.includes('\x1b'),
  )
})

test('a CA file gives its certificates, and never a key that lies beside them', async () => {
  const { readFileSync } = await import('node:fs')
  const both = file(
    'both.pem',
    `comment\n${readFileSync(key, 'utf8')}${readFileSync(ca, 'utf8')}${readFileSync(ca, 'utf8')}`,
  )
  const pem = serverAccess({}, { ca: both }).ca?.pem ?? ''
  assert.equal(pem, readFileSync(ca, 'utf8').trim().concat('\n').repeat(2))
  for (const bad of [key, file('empty.pem', ''), join(folder, 'missing.pem'), folder])
    assert.throws(() => serverAccess({}, { ca: bad }), refused(/no certificate|cannot be read/))
  const damaged = file('damaged.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  assert.throws(() => serverAccess({}, { ca: damaged }), refused(/cannot be read/))
})
