import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyDetached } from '../../src/openpgp/detached.ts'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { claim, fixture } from './fixture.ts'

/** When the fixtures were made. */
const now = Date.UTC(2025, 0, 1) / 1000
const keyring = await readKeyring(fixture('key.asc'))
const armored = fixture('detached.asc')
const binary = fixture('detached.pgp')

const verdictOf = (content: Uint8Array, detached: Uint8Array, keys = keyring) =>
  verifyDetached(content, detached, keys, now).verdict

test('what gpg --detach-sign wrote is valid, armored or not, over these octets alone', () => {
  for (const detached of [armored, binary]) {
    const { verdict, key } = verifyDetached(claim, detached, keyring, now)
    assert.equal(verdict, 'valid')
    assert.equal(key?.fingerprint, keyring.certificates[0]?.fingerprint)
    assert.equal(verdictOf(claim.with(5, 1), detached), 'bad')
    assert.equal(verdictOf(Buffer.concat([claim, Buffer.from('\n')]), detached), 'bad')
    assert.equal(verdictOf(claim.subarray(1), detached), 'bad')
  }
  assert.equal(verifyDetached(claim, binary, keyring, now - 1000).verdict, 'bad')
})

test('keys that did not make it do not vouch for it', async () => {
  const others = await readKeyring(fixture('keyrings/rsa2048.gpg'))
  assert.equal(verdictOf(claim, binary, others), 'unknown-key')
})

test('of several signatures one that is valid is enough', () => {
  const spoilt = binary.with(-1, (binary.at(-1) as number) ^ 1)
  assert.equal(verdictOf(claim, spoilt), 'bad')
  assert.equal(verdictOf(claim, Buffer.concat([spoilt, binary])), 'valid')
  assert.throws(() => verdictOf(claim, Buffer.concat(Array.from({ length: 65 }, () => binary))), {
    code: 'multiple-signatures',
  })
})

test('what is no detached signature is refused: messages, text signatures, keys, damaged armor, nothing', () => {
  const text = armored.toString()
  const refusals: [content: Uint8Array | string, code: string][] = [
    [Buffer.alloc(0), 'empty'],
    [fixture('ed25519.pgp'), 'unexpected-packet'],
    [fixture('unsigned.pgp'), 'unexpected-packet'],
    [binary.subarray(0, -1), 'truncated'],
    [Buffer.concat([binary, Buffer.from([0xcb, 1, 0])]), 'unexpected-packet'],
    [text.replace('-----END PGP SIGNATURE-----', ''), 'armor-invalid'],
    [text.replace('\n\n', '\n'), 'armor-invalid'],
    [text.replace('\n\n', '\nno header\n\n'), 'armor-invalid'],
    [text.replace(/\n=.{4}\n/, '\n=AAAA\n'), 'armor-invalid'],
    [`${text}more`, 'armor-invalid'],
    ['hello', 'not-openpgp'],
  ]
  for (const [content, code] of refusals)
    assert.throws(() => verdictOf(claim, Buffer.from(content as string)), { code }, `${code}: ${content}`)
})
