import assert from 'node:assert/strict'
import test from 'node:test'
import { readMessage } from '../../src/openpgp/message.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { claim, fixture } from './fixture.ts'
import { type Framing, literal, onePass, packet, packetsOf, signature, version6 } from './write.ts'

const { onePassSignature, literal: literalTag, signature: signatureTag } = packetTag

function payloadOf(message: Uint8Array): string {
  return Buffer.from(readMessage(message).payload).toString()
}

const document = '{"a":1}'
const announcement = packet(onePassSignature, onePass())
const content = packet(literalTag, literal(document))
const ending = packet(signatureTag, signature())
const whole = Buffer.concat([announcement, content, ending])
const framings: Framing[] = ['new', 'new-5', 'old-1', 'old-2', 'old-4', 'partial', 'indeterminate']

for (const name of ['rsa', 'ed25519', 'nistp256', 'dsa', 'zip', 'zlib']) {
  test(`what gpg writes is read: ${name}`, () => {
    const { payload, signature } = readMessage(fixture(`${name}.pgp`))
    assert.deepEqual(Buffer.from(payload), claim)
    assert.equal(signature.version, 4)
    assert.equal(signature.type, 0)
    assert.equal(signature.unverifiedCreated, Date.UTC(2025, 0, 1) / 1000)
    assert.match(signature.unverifiedFingerprint ?? '', /^[0-9A-F]{40}$/)
    assert.ok(signature.unverifiedFingerprint?.endsWith(signature.unverifiedKeyId))
  })
}

test('what skopeo writes is read', () => {
  assert.match(payloadOf(fixture('skopeo.pgp')), /"docker-reference":"registry.example.com\/team\/app:1.0"/)
})

test('a text signature of gpg, with lines that end in CR LF, is read', () => {
  const { payload, signature } = readMessage(fixture('text.pgp'))
  assert.equal(signature.type, 1)
  assert.equal(Buffer.from(payload).toString().replaceAll('\r\n', ''), claim.toString())
})

test('partial lengths, as gpg writes them from a pipe, are read', () => {
  const { payload } = readMessage(fixture('partial.pgp'))
  assert.equal(payload.length, claim.length - 'fixture'.length + 9000)
})

test('an expiring signature of gpg tells when', () => {
  const { unverifiedCreated, unverifiedExpires } = readMessage(fixture('expiring.pgp')).signature
  assert.equal(unverifiedExpires, unverifiedCreated + 7 * 86_400)
})

test('signature, literal data: the order of PGP 2, with any framing of the literal packet', () => {
  for (const framing of framings) {
    assert.equal(payloadOf(Buffer.concat([ending, packet(literalTag, literal(document), framing)])), document)
  }
})

test('versions 3 and 6 of signature and one-pass packets are read', () => {
  const version3 = packet(signatureTag, signature({ version: 3 }))
  assert.equal(readMessage(Buffer.concat([announcement, content, version3])).signature.version, 3)
  const announcement6 = packet(onePassSignature, onePass({ version: 6 }))
  const ending6 = packet(signatureTag, signature(version6))
  assert.equal(readMessage(Buffer.concat([announcement6, content, ending6])).signature.version, 6)
})

test('the payload is what stands in the literal packet, whatever its format, name and date', () => {
  for (const format of 'btul1m') {
    const other = packet(literalTag, literal(document, { format, name: 'n'.repeat(255), date: 0xffffffff }))
    assert.equal(payloadOf(Buffer.concat([announcement, other, ending])), document)
  }
})

test('the payload and the packet are views of an uncompressed upload, not copies', () => {
  const { payload, signature } = readMessage(whole)
  assert.equal(payload.buffer, whole.buffer)
  assert.equal(signature.body.buffer, whole.buffer)
})

test('gpg fixtures keep their packets under another framing', () => {
  const packets = packetsOf(fixture('rsa.pgp'))
  const reframed = Buffer.concat(packets.map(({ tag, body }) => packet(tag, body, 'new-5')))
  assert.deepEqual(readMessage(reframed), readMessage(fixture('rsa.pgp')))
})
