import assert from 'node:assert/strict'
import test from 'node:test'
import { readSignaturePacket } from '../../src/openpgp/signature-packet.ts'
import {
  created,
  exampleCreated,
  exampleFingerprint,
  exampleKeyId,
  expires,
  issuer,
  issuerFingerprint,
  octets,
  type SignatureFields,
  signature,
  subpacket,
  uint16,
  version6,
} from './write.ts'

function read(fields: Partial<SignatureFields> = {}) {
  return readSignaturePacket(signature(fields))
}

function refused(fields: Partial<SignatureFields> | Buffer): void {
  const body = Buffer.isBuffer(fields) ? fields : signature(fields)
  assert.throws(() => readSignaturePacket(body), { name: 'Refusal', code: 'signature-packet' })
}

const hashedCreation = created(exampleCreated)
const otherKeyId = 'FEDCBA9876543210'
const none = Buffer.alloc(0)

test('the issuer may be named by key id or fingerprint, under the hash or not, any number of times', () => {
  const byId = issuer(exampleKeyId)
  const byFingerprint = issuerFingerprint(exampleFingerprint)
  const places: [Buffer[], Buffer[], string | null][] = [
    [[byId], [], null],
    [[], [byId], null],
    [[byFingerprint], [], exampleFingerprint],
    [[], [byFingerprint], exampleFingerprint],
    [[byId, byFingerprint], [byFingerprint, byId, byId], exampleFingerprint],
  ]
  for (const [hashed, unhashed, fingerprint] of places) {
    const packet = read({
      hashed: Buffer.concat([hashedCreation, ...hashed]),
      unhashed: Buffer.concat(unhashed),
    })
    assert.equal(packet.unverifiedKeyId, exampleKeyId)
    assert.equal(packet.unverifiedFingerprint, fingerprint)
  }
})

test('no issuer, or two that differ, are refused wherever they stand', () => {
  const other = issuer(otherKeyId)
  const otherFingerprint = issuerFingerprint(`${'77'.repeat(12)}${exampleKeyId}`)
  refused({ hashed: hashedCreation, unhashed: none })
  for (const added of [other, issuer('0'.repeat(16)), otherFingerprint]) {
    refused({ unhashed: Buffer.concat([issuer(exampleKeyId), added]) })
    refused({ unhashed: Buffer.concat([added, issuer(exampleKeyId)]) })
    refused({ hashed: Buffer.concat([hashedCreation, added, issuerFingerprint(exampleFingerprint)]) })
  }
})

test('an issuer of another size, or of another key version than the signature, is refused', () => {
  refused({ unhashed: issuer('0123') })
  refused({ unhashed: issuerFingerprint('00'.repeat(19)) })
  refused({ unhashed: issuerFingerprint('00'.repeat(32), 6) })
  refused({ unhashed: issuerFingerprint('00'.repeat(32), 5) })
  refused({ ...version6, unhashed: issuerFingerprint(exampleFingerprint) })
  refused({ ...version6, unhashed: issuer(exampleKeyId) })
})

test('a creation time is required once, under the hash', () => {
  const byFingerprint = issuerFingerprint(exampleFingerprint)
  refused({ hashed: byFingerprint })
  refused({ hashed: byFingerprint, unhashed: hashedCreation })
  refused({ unhashed: hashedCreation })
  refused({ hashed: Buffer.concat([hashedCreation, hashedCreation, byFingerprint]) })
  refused({ hashed: Buffer.concat([subpacket(2, uint16(1)), byFingerprint]) })
})

test('an expiration counts only under the hash, once, and zero means never', () => {
  const withHashed = (...more: Buffer[]) => ({
    hashed: Buffer.concat([hashedCreation, issuerFingerprint(exampleFingerprint), ...more]),
  })
  assert.equal(read(withHashed(expires(0))).unverifiedExpires, null)
  assert.equal(read(withHashed(expires(0xffffffff))).unverifiedExpires, exampleCreated + 0xffffffff)
  assert.equal(read({ unhashed: expires(1) }).unverifiedExpires, null)
  refused(withHashed(expires(1), expires(1)))
  refused(withHashed(subpacket(3, octets([1]))))
})

test('critical subpackets are refused outside the hash, and no matter under it', () => {
  for (const type of [16, 20, 33, 100]) {
    refused({
      unhashed: Buffer.concat([issuer(exampleKeyId), subpacket(type, Buffer.alloc(8), { critical: true })]),
    })
  }
  const critical = subpacket(100, none, { critical: true })
  read({ hashed: Buffer.concat([hashedCreation, critical]) })
  read({ unhashed: Buffer.concat([issuer(exampleKeyId), subpacket(100, Buffer.alloc(300))]) })
})

test('an embedded signature is refused in either area', () => {
  const embedded = subpacket(32, signature())
  refused({ unhashed: Buffer.concat([issuer(exampleKeyId), embedded]) })
  refused({ hashed: Buffer.concat([hashedCreation, embedded]) })
})

test('more unhashed subpackets than gpg reads are refused', () => {
  const areaOf = (size: number) =>
    Buffer.concat([issuer(exampleKeyId), subpacket(100, Buffer.alloc(size - 10 - 3))])
  assert.equal(areaOf(10_000).length, 10_000)
  read({ unhashed: areaOf(10_000) })
  refused({ unhashed: areaOf(10_001) })
})

test('subpackets must fill their area exactly', () => {
  for (const area of [
    [0],
    [1],
    [5, 16],
    [200],
    [192, 0, 100],
    [255, 0, 0, 0],
    [255, 255, 255, 255, 255, 1],
  ]) {
    refused({ unhashed: octets(area) })
    refused({ hashed: Buffer.concat([hashedCreation, octets(area)]) })
  }
  read({ unhashed: octets([255, 0, 0, 0, 1, 100, 1, 100, 192, 0, 100, ...Buffer.alloc(191)]) })
})
