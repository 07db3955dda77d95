import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  mintToken,
  parseDuration,
  parseToken,
  secretMatches,
  tokenRandomBytes,
  withoutSecrets,
} from '../../src/access/token.ts'

const randoms = fc.uint8Array({ minLength: tokenRandomBytes, maxLength: tokenRandomBytes })

test('a minted token is read again and its secret matches its hash, and no other', () => {
  fc.assert(
    fc.property(randoms, randoms, (random, otherRandom) => {
      const { id, token, hash } = mintToken(random)
      const read = parseToken(token)
      assert.ok(read)
      assert.equal(read.id, id)
      assert.equal(token, `lks_${id}_${read.secret}`)
      assert.equal(secretMatches(read.secret, hash), true)
      const other = mintToken(otherRandom)
      assert.equal(
        secretMatches(read.secret, other.hash),
        Buffer.from(random.subarray(4)).equals(otherRandom.subarray(4)),
      )
    }),
  )
})

test('the token of known random bytes is known', () => {
  const { id, token, hash } = mintToken(Uint8Array.from({ length: tokenRandomBytes }, (_, index) => index))
  assert.equal(id, '00010203')
  assert.equal(token, 'lks_00010203_BAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM')
  assert.equal(
    Buffer.from(hash).toString('hex'),
    createHash('sha256').update('BAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM').digest('hex'),
  )
})

test('too few random bytes make no token', () => {
  assert.throws(() => mintToken(new Uint8Array(32)), RangeError)
  assert.throws(() => mintToken(new Uint8Array(0)), RangeError)
})

const secret = 'A'.repeat(43)
const refused = {
  'an empty text': '',
  'another prefix': `ghp_01234567_${secret}`,
  'an upper-case prefix': `LKS_01234567_${secret}`,
  'an upper-case id': `lks_0123456A_${secret}`,
  'a short id': `lks_0123456_${secret}`,
  'a short secret': `lks_01234567_${secret.slice(1)}`,
  'a long secret': `lks_01234567_${secret}A`,
  'a padded secret': `lks_01234567_${secret}=`,
  'plain base64': `lks_01234567_${secret.slice(1)}+`,
  'a line break after it': `lks_01234567_${secret}\n`,
  'a space before it': ` lks_01234567_${secret}`,
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} is no token`, () => assert.equal(parseToken(text), null))
}

test('another spelling of the same bytes does not match', () => {
  const { token, hash } = mintToken(new Uint8Array(tokenRandomBytes))
  const respelled = parseToken(token.replace(/A$/, 'B'))
  assert.ok(respelled)
  assert.deepEqual(Buffer.from(respelled.secret, 'base64url'), Buffer.alloc(32))
  assert.equal(secretMatches(respelled.secret, hash), false)
})

test('a damaged stored hash matches nothing', () => {
  const { token, hash } = mintToken(new Uint8Array(tokenRandomBytes))
  const given = parseToken(token)?.secret ?? ''
  assert.equal(secretMatches(given, hash.subarray(1)), false)
  assert.equal(secretMatches(given, new Uint8Array(0)), false)
})

test('a duration is a number of seconds', () => {
  for (const [text, seconds] of Object.entries({
    '1s': 1,
    '60s': 60,
    '30m': 1800,
    '12h': 43_200,
    '90d': 7_776_000,
    '2w': 1_209_600,
    '36525d': 3_155_760_000,
  })) {
    assert.equal(parseDuration(text), seconds)
  }
})

for (const text of [
  '',
  '90',
  'd',
  '0d',
  '-1d',
  '01d',
  '1.5h',
  '1e3s',
  '1y',
  '1D',
  '1d ',
  ' 1d',
  '1d12h',
  '36526d',
  '9999999999w',
  '1d\n',
]) {
  test(`${JSON.stringify(text)} is not a duration`, () => {
    assert.throws(() => parseDuration(text), { name: 'Refusal', code: 'bad-request' })
  })
}

test('a token in a text that is to be logged keeps its id and loses its secret', () => {
  const { token, id } = mintToken(randomBytes(tokenRandomBytes))
  const shown = withoutSecrets(`"${token}" is no repository; nor is ${token.slice(0, -3)}`)
  assert.equal(shown, `"lks_${id}_…" is no repository; nor is lks_${id}_…`)
})
