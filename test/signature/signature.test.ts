import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { packetTag } from '../../src/openpgp/packets.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { claim, fixture } from '../openpgp/fixture.ts'
import {
  armored,
  exampleCreated,
  exampleKeyId,
  literal,
  packet,
  signature,
  signedMessage,
} from '../openpgp/write.ts'

function read(upload: Uint8Array) {
  return readSignature(upload, { sigstoreJson: false })
}

function refused(upload: Uint8Array, code: string): void {
  assert.throws(() => read(upload), { name: 'Refusal', code })
}

const prefix = Buffer.from('\0simple-signing\n')

test('a signature of gpg is read: claim, signer, digest, and the upload as its blob', () => {
  const upload = fixture('ed25519.pgp')
  const found = read(upload)
  assert.equal(found.format, 'simple-signing')
  assert.equal(found.blob, upload)
  assert.equal(found.sha256, createHash('sha256').update(upload).digest('hex'))
  assert.match(found.identity, /^[0-9a-f]{64}$/)
  assert.equal(found.claim.dockerReference, 'registry.example.com/team/app:1.0')
  assert.equal(found.claim.creator, 'fixture')
  const fingerprint = found.signer?.unverifiedFingerprint ?? ''
  assert.deepEqual(found.signer, {
    unverifiedKeyId: fingerprint.slice(-16),
    unverifiedFingerprint: fingerprint,
    unverifiedCreated: Date.UTC(2025, 0, 1) / 1000,
    unverifiedExpires: null,
    publicKeyAlgorithm: 'EdDSA',
    hashAlgorithm: 'SHA256',
  })
})

test('a signer is shown also where only a key id and unknown algorithms are given', () => {
  const body = signature({ version: 3, publicKeyAlgorithm: 107, hashAlgorithm: 42 })
  const { signer } = read(
    Buffer.concat([packet(packetTag.signature, body), packet(packetTag.literal, literal(claim))]),
  )
  assert.deepEqual(signer, {
    unverifiedKeyId: exampleKeyId,
    unverifiedFingerprint: null,
    unverifiedCreated: exampleCreated,
    unverifiedExpires: null,
    publicKeyAlgorithm: 'unknown (107)',
    hashAlgorithm: 'unknown (42)',
  })
})

test('armor is stored as the binary message in it', () => {
  const { blob, sha256 } = read(armored(fixture('rsa.pgp')))
  assert.deepEqual(Buffer.from(blob), fixture('rsa.pgp'))
  assert.equal(sha256, read(fixture('rsa.pgp')).sha256)
  assert.match(read(fixture('armored.asc')).claim.dockerReference, /^registry/)
})

test('the simple-signing prefix is stripped from what is stored', () => {
  const { blob } = read(Buffer.concat([prefix, fixture('zip.pgp')]))
  assert.deepEqual(Buffer.from(blob), fixture('zip.pgp'))
})

test('only a binary message may follow that prefix', () => {
  for (const rest of [fixture('armored.asc'), Buffer.concat([prefix, fixture('zip.pgp')]), claim]) {
    refused(Buffer.concat([prefix, rest]), 'not-openpgp')
  }
  refused(prefix, 'empty')
})

test('a prefix that clients do not know is refused', () => {
  for (const text of [
    '\0',
    '\0simple-signing',
    '\0simple-signing\r\n',
    '\0Simple-signing\n',
    '\0other\n',
    '\0\n',
  ]) {
    refused(Buffer.concat([Buffer.from(text), fixture('zip.pgp')]), 'not-openpgp')
  }
})

test('what is wrong with the message or the claim comes through with its code', () => {
  refused(Buffer.alloc(0), 'empty')
  refused(armored(Buffer.alloc(0)), 'empty')
  refused(fixture('cleartext.asc'), 'cleartext')
  refused(fixture('two-signers.pgp'), 'multiple-signatures')
  refused(fixture('bzip2.pgp'), 'compression-unsupported')
  refused(signedMessage('not JSON'), 'claim-json')
  refused(signedMessage('{"critical":{},"critical":{}}'), 'claim-duplicate-key')
  refused(signedMessage('{"critical":{},"optional":{}}'), 'claim-missing-key')
})
