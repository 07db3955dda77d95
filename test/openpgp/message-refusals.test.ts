import assert from 'node:assert/strict'
import test from 'node:test'
import { readMessage } from '../../src/openpgp/message.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { fixture } from './fixture.ts'
import {
  compressed,
  exampleFingerprint6,
  type Framing,
  literal,
  octets,
  onePass,
  packet,
  signature,
  version6,
} from './write.ts'

const {
  onePassSignature,
  literal: literalTag,
  signature: signatureTag,
  compressed: compressedTag,
} = packetTag

function refused(message: Uint8Array, code: string): void {
  assert.throws(() => readMessage(message), { name: 'Refusal', code })
}

function payloadOf(message: Uint8Array): string {
  return Buffer.from(readMessage(message).payload).toString()
}

const document = '{"a":1}'
const announcement = packet(onePassSignature, onePass())
const content = packet(literalTag, literal(document))
const ending = packet(signatureTag, signature())
const whole = Buffer.concat([announcement, content, ending])

/** `packets` as the whole content of a compressed packet. */
function wrapped(packets: Uint8Array, algorithm = 1, framing: Framing = 'indeterminate'): Buffer {
  return packet(compressedTag, compressed(algorithm, packets), framing)
}

test('no bytes are refused as empty', () => {
  refused(Buffer.alloc(0), 'empty')
})

test('a first octet that clients do not know is refused', () => {
  for (const text of ['<html>', '{"critical":{}}', '\0', '-----BEGIN PGP MESSAGE-----\n']) {
    refused(Buffer.from(text), 'not-openpgp')
  }
  refused(packet(onePassSignature, onePass(), 'indeterminate'), 'not-openpgp')
  refused(packet(signatureTag, signature(), 'indeterminate'), 'not-openpgp')
  for (const tag of [5, 6, 10, 12, 13, 14, 19, 21, 60]) refused(packet(tag, octets([1, 2, 3])), 'not-openpgp')
})

test('each first octet is accepted, or refused for what it starts', () => {
  const accepted = [0x88, 0x89, 0x8a, 0xc2, 0x90, 0x91, 0x92, 0xc4, 0xa0, 0xa1, 0xa2, 0xa3, 0xc8]
  const withoutLength = [0x8b]
  for (let first = 0; first < 256; first++) {
    const code = codeOf(octets([first, 0, 0, 0, 0, 0]))
    if (accepted.includes(first) || withoutLength.includes(first)) continue
    assert.ok(['not-openpgp', 'unsigned', 'encrypted'].includes(code), `${first}: ${code}`)
  }
  assert.equal(codeOf(octets([0x93, ...onePass()])), 'not-openpgp')
})

function codeOf(message: Uint8Array): string {
  try {
    readMessage(message)
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'accepted'
}

test('a detached signature is refused', () => {
  refused(fixture('detached.pgp'), 'detached')
  refused(wrapped(ending), 'detached')
})

test('a message that is not signed is refused', () => {
  refused(content, 'unsigned')
  refused(fixture('unsigned.pgp'), 'unsigned')
  refused(wrapped(content), 'unsigned')
  refused(Buffer.concat([content, ending]), 'unsigned')
})

test('an encrypted message is refused, signed or not', () => {
  refused(fixture('encrypted.pgp'), 'encrypted')
  refused(fixture('signed-and-encrypted.pgp'), 'encrypted')
  for (const tag of [1, 3, 9, 18, 20]) {
    refused(packet(tag, Buffer.alloc(20)), 'encrypted')
    refused(wrapped(packet(tag, Buffer.alloc(20))), 'encrypted')
  }
})

test('more than one signature is refused', () => {
  refused(fixture('two-signers.pgp'), 'multiple-signatures')
  refused(Buffer.concat([ending, ending, content]), 'multiple-signatures')
  refused(Buffer.concat([announcement, announcement, content, ending, ending]), 'multiple-signatures')
  refused(Buffer.concat([whole, ending]), 'multiple-signatures')
  refused(Buffer.concat([whole, whole]), 'multiple-signatures')
  refused(Buffer.concat([ending, content, ending]), 'multiple-signatures')
  refused(wrapped(Buffer.concat([whole, ending])), 'multiple-signatures')
  refused(Buffer.concat([wrapped(whole, 1, 'new'), ending]), 'multiple-signatures')
})

test('any other packet, or one in another place, is refused', () => {
  const marker = packet(10, Buffer.from('PGP'))
  const unknown = packet(60, octets([1]))
  for (const extra of [marker, unknown, packet(21, Buffer.alloc(9)), packet(13, Buffer.from('somebody'))]) {
    refused(Buffer.concat([announcement, extra, content, ending]), 'unexpected-packet')
    refused(Buffer.concat([announcement, content, extra, ending]), 'unexpected-packet')
    refused(Buffer.concat([ending, extra, content]), 'unexpected-packet')
    refused(wrapped(Buffer.concat([extra, whole])), 'unexpected-packet')
  }
  refused(Buffer.concat([announcement, content, content, ending]), 'unexpected-packet')
  refused(Buffer.concat([announcement, wrapped(content, 1, 'new'), ending]), 'unexpected-packet')
})

test('an unknown format of the literal data is refused', () => {
  const strange = packet(literalTag, literal(document, { format: 'x' }))
  refused(Buffer.concat([announcement, strange, ending]), 'unexpected-packet')
})

test('one-pass and signature packet must agree on version, type, algorithms, key and salt', () => {
  const disagreeing = [
    onePass({ type: 1 }),
    onePass({ hashAlgorithm: 10 }),
    onePass({ publicKeyAlgorithm: 17 }),
    onePass({ issuer: 'FEDCBA9876543210' }),
    onePass({ issuer: '0000000000000000' }),
    onePass({ last: 0 }),
    onePass({ last: 2 }),
    onePass({ version: 6 }),
  ]
  for (const body of disagreeing) {
    refused(Buffer.concat([packet(onePassSignature, body), content, ending]), 'one-pass-mismatch')
  }
  const otherEnd = `${exampleFingerprint6.slice(0, -2)}00`
  for (const body of [
    onePass(),
    onePass({ version: 6, salt: Buffer.alloc(16) }),
    onePass({ version: 6, issuer: otherEnd }),
  ]) {
    const message = [packet(onePassSignature, body), content, packet(signatureTag, signature(version6))]
    refused(Buffer.concat(message), 'one-pass-mismatch')
  }
})

test('a malformed one-pass packet is refused', () => {
  for (const body of [
    onePass({ version: 4 }),
    onePass().subarray(1),
    Buffer.concat([onePass(), octets([0])]),
  ]) {
    refused(Buffer.concat([packet(onePassSignature, body), content, ending]), 'signature-packet')
  }
  for (const salt of [Buffer.alloc(15), Buffer.alloc(17)]) {
    refused(
      Buffer.concat([packet(onePassSignature, onePass({ version: 6, salt })), content, ending]),
      'signature-packet',
    )
  }
})

test('a malformed signature packet is refused', () => {
  const malformed = packet(signatureTag, signature({ unhashed: Buffer.alloc(1) }))
  refused(Buffer.concat([announcement, content, malformed]), 'signature-packet')
  refused(Buffer.concat([malformed, content]), 'signature-packet')
})

test('a signature that certifies something else than a document is refused', () => {
  for (const type of [2, 0x10, 0x13, 0x18, 0x20, 0x40, 0xff]) {
    const certifying = packet(signatureTag, signature({ type }))
    refused(
      Buffer.concat([packet(onePassSignature, onePass({ type })), content, certifying]),
      'signature-packet',
    )
  }
})

test('a text signature over bare line feeds, which gpg calls bad, is refused', () => {
  const text = (document: string) =>
    Buffer.concat([packet(signatureTag, signature({ type: 1 })), packet(literalTag, literal(document))])
  for (const document of ['\n', '{\n}', '{\r\n}\n', '{\n\r}']) refused(text(document), 'signature-packet')
  for (const document of ['', '{}', '{\r\n}', '{\r}', '\r\n'])
    assert.equal(payloadOf(text(document)), document)
})

test('anything after the message is refused, inside or outside the compression', () => {
  for (const extra of [
    octets([0]),
    Buffer.from('\n'),
    packet(10, Buffer.from('PGP')),
    content,
    wrapped(whole),
  ]) {
    refused(Buffer.concat([whole, extra]), 'trailing-data')
    refused(wrapped(Buffer.concat([whole, extra])), 'trailing-data')
    refused(Buffer.concat([wrapped(whole, 1, 'new'), extra]), 'trailing-data')
  }
})

test('a message cut anywhere is refused', () => {
  const messages = [
    whole,
    Buffer.concat([ending, content]),
    fixture('zip.pgp'),
    fixture('zlib.pgp'),
    fixture('partial.pgp'),
  ]
  for (const message of messages) {
    const step = Math.ceil(message.length / 700)
    for (let length = 1; length < message.length; length += step) {
      assert.notEqual(codeOf(message.subarray(0, length)), 'accepted', `${length} of ${message.length}`)
    }
  }
  refused(whole.subarray(0, announcement.length), 'truncated')
  refused(whole.subarray(0, announcement.length + content.length), 'truncated')
  refused(fixture('zip.pgp').subarray(0, 300), 'truncated')
  refused(fixture('zlib.pgp').subarray(0, 300), 'truncated')
})

test('a literal packet without room for its name or date is refused', () => {
  for (const body of [[], [0x62], [0x62, 1, 0x6e, 0, 0, 0], [0x62, 255, 0, 0, 0, 0]]) {
    refused(Buffer.concat([announcement, packet(literalTag, octets(body)), ending]), 'truncated')
  }
})
