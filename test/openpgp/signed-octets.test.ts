import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, hash, type KeyObject, sign, verify } from 'node:crypto'
import test from 'node:test'
import * as openpgp from 'openpgp'
import { readMessage, type SignedMessage } from '../../src/openpgp/message.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { claim } from './fixture.ts'
import { exampleCreated, literal, mpi, octets, onePass, packet, signature, uint32 } from './write.ts'

/** RFC 9580, section 5.2.4. */
function signedOctets({ payload, signature: { version, hashed, salt } }: SignedMessage): Buffer {
  const trailer = version === 3 ? octets([]) : Buffer.concat([octets([version, 0xff]), uint32(hashed.length)])
  return Buffer.concat([salt ?? octets([]), payload, hashed, trailer])
}

const hashNames: Record<number, string> = {
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  12: 'sha3-256',
  14: 'sha3-512',
}

type KeyOptions = Omit<openpgp.KeyOptions, 'userIDs' | 'format'>

async function signedByOpenpgpjs(options: KeyOptions) {
  const userIDs = [{ name: 'signer' }]
  const { privateKey } = await openpgp.generateKey({ ...options, userIDs, format: 'object' })
  const message = await openpgp.createMessage({ binary: new Uint8Array(claim) })
  const signed = await openpgp.sign({ message, signingKeys: privateKey, format: 'binary' })
  return { privateKey, message: readMessage(signed as Uint8Array) }
}

const kinds: [string, KeyOptions, number, 4 | 6][] = [
  ['Ed25519, version 4', { type: 'curve25519' }, 27, 4],
  ['Ed25519, version 6', { type: 'curve25519', config: { v6Keys: true } }, 27, 6],
  ['Ed448, version 6', { type: 'curve448', config: { v6Keys: true } }, 28, 6],
  ['EdDSA, version 4', { type: 'ecc', curve: 'ed25519Legacy' }, 22, 4],
  ['ECDSA P-256, version 4', { type: 'ecc', curve: 'nistP256' }, 19, 4],
  ['ECDSA P-521, version 6', { type: 'ecc', curve: 'nistP521', config: { v6Keys: true } }, 19, 6],
]

for (const [name, options, algorithm, version] of kinds) {
  test(`a signature of openpgp.js is read: ${name}`, async () => {
    const { privateKey, message } = await signedByOpenpgpjs(options)
    assert.deepEqual(Buffer.from(message.payload), claim)
    assert.equal(message.signature.version, version)
    assert.equal(message.signature.publicKeyAlgorithm, algorithm)
    assert.equal(message.signature.unverifiedKeyId, privateKey.getKeyID().toHex().toUpperCase())
    assert.equal(message.signature.unverifiedFingerprint, privateKey.getFingerprint().toUpperCase())
    const sizes = message.signature.value.map((part) => part.length)
    assert.equal(sizes.length, algorithm === 19 || algorithm === 22 ? 2 : 1)
  })
}

for (const v6Keys of [false, true]) {
  test(`payload, hashed part and salt are the octets that were signed (version ${v6Keys ? 6 : 4})`, async () => {
    const { privateKey, message } = await signedByOpenpgpjs({ type: 'curve25519', config: { v6Keys } })
    const hashName = hashNames[message.signature.hashAlgorithm]
    assert.ok(hashName)
    const digest = hash(hashName, signedOctets(message), 'buffer')
    const [value] = message.signature.value
    assert.ok(value && verify(null, digest, ed25519Key(privateKey), value))
  })
}

function ed25519Key(key: openpgp.PrivateKey): KeyObject {
  const { A } = key.keyPacket.publicParams as { A: Uint8Array }
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(A).toString('base64url') }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

test('payload and hashed part of a version 3 packet are the octets that were signed', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const hashed = Buffer.concat([octets([0]), uint32(exampleCreated)])
  const value = mpi(sign('sha256', Buffer.concat([claim, hashed]), privateKey))
  const message = readMessage(
    Buffer.concat([
      packet(packetTag.onePassSignature, onePass()),
      packet(packetTag.literal, literal(claim)),
      packet(packetTag.signature, signature({ version: 3, value })),
    ]),
  )
  const [read = octets([])] = message.signature.value
  // One RSA signature in 256 begins with a zero, which an MPI leaves out (RFC 8017, section 8.2.2).
  const padded = Buffer.concat([Buffer.alloc(256 - read.length), read])
  assert.ok(verify('sha256', signedOctets(message), publicKey, padded))
})
