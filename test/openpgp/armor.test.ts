import assert from 'node:assert/strict'
import test from 'node:test'
import { dearmor, isArmored } from '../../src/openpgp/armor.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { claim, fixture } from './fixture.ts'
import { armored } from './write.ts'

function refused(text: string | Uint8Array, code: string): void {
  assert.throws(() => dearmor(Buffer.from(text)), { name: 'Refusal', code })
}

const message = fixture('ed25519.pgp')
const real = fixture('armored.asc').toString()

test('the armor gpg writes is read, in either line ending and with trailing blanks', () => {
  for (const text of [real, real.replaceAll('\n', '\r\n'), real.replaceAll('\n', ' \t\n'), real.trimEnd()]) {
    assert.ok(isArmored(Buffer.from(text)))
    assert.deepEqual(Buffer.from(readMessage(dearmor(Buffer.from(text))).payload), claim)
  }
})

test('headers and a missing checksum are no fault', () => {
  const text = armored(message, { headers: 'Version: 1\nComment: two words\nComment:\n' })
  assert.deepEqual(Buffer.from(dearmor(text)), message)
})

test('a binary message is not taken for armor', () => {
  assert.equal(isArmored(message), false)
  assert.equal(isArmored(Buffer.from('-----BEGIN')), false)
})

test('a wrong checksum is refused', () => {
  refused(armored(message, { checksum: 'AAAA' }), 'armor-invalid')
  refused(real.replace(/\n=..../, '\n=!!!!'), 'armor-invalid')
})

test('data that is not canonical base64 is refused', () => {
  const lines = real.split('\n')
  const withFirstLine = (line: string) => [...lines.slice(0, 2), line, ...lines.slice(3)].join('\n')
  refused(withFirstLine(`${lines[2]}A`), 'armor-invalid')
  refused(withFirstLine(`${lines[2]?.slice(0, -1)}*`), 'armor-invalid')
  refused(withFirstLine(`${lines[2]?.slice(0, -1)}=`), 'armor-invalid')
  refused('-----BEGIN PGP MESSAGE-----\n\nAB==\n-----END PGP MESSAGE-----\n', 'armor-invalid')
})

test('armor without its end, without the empty line, or with a line that is no header is refused', () => {
  refused(real.replace('-----END PGP MESSAGE-----', ''), 'armor-invalid')
  refused(real.replace('-----END PGP MESSAGE', '-----END PGP SIGNATURE'), 'armor-invalid')
  refused(real.replace('\n\n', '\n'), 'armor-invalid')
  refused(armored(message, { headers: 'not a header\n' }), 'armor-invalid')
})

test('anything after the armor is refused', () => {
  refused(`${real}and more`, 'trailing-data')
  refused(real + real, 'trailing-data')
  refused(`${real}\v`, 'trailing-data')
})

test('armor of something else says what it is', () => {
  refused(fixture('cleartext.asc'), 'cleartext')
  refused(fixture('detached.asc'), 'detached')
  refused(fixture('key.asc'), 'not-openpgp')
  refused(armored(message, { label: 'PGP MESSAGE, PART 1/2' }), 'not-openpgp')
  refused(armored(message, { label: 'CERTIFICATE' }), 'not-openpgp')
})

test('megabytes of blanks or of one line take linear time', () => {
  refused(`-----BEGIN PGP MESSAGE-----\n${' '.repeat(4_000_000)}x`, 'armor-invalid')
  refused(`-----BEGIN PGP MESSAGE-----\n\n${'A'.repeat(4_000_000)}`, 'armor-invalid')
})
