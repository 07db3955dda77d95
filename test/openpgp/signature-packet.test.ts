import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { readSignaturePacket } from '../../src/openpgp/signature-packet.ts'
import {
  created,
  exampleCreated,
  exampleFingerprint,
  exampleFingerprint6,
  exampleKeyId,
  expires,
  issuerFingerprint,
  mpi,
  octets,
  type SignatureFields,
  signature,
  uint16,
  uint32,
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
const none = Buffer.alloc(0)

test('a version 4 packet gives its algorithms, issuer, times and value', () => {
  const hashed = Buffer.concat([hashedCreation, expires(3600), issuerFingerprint(exampleFingerprint)])
  const packet = read({ type: 1, hashAlgorithm: 10, hashed })
  assert.equal(packet.version, 4)
  assert.equal(packet.type, 1)
  assert.equal(packet.publicKeyAlgorithm, 1)
  assert.equal(packet.hashAlgorithm, 10)
  assert.equal(packet.unverifiedKeyId, exampleKeyId)
  assert.equal(packet.unverifiedFingerprint, exampleFingerprint)
  assert.equal(packet.unverifiedCreated, exampleCreated)
  assert.equal(packet.unverifiedExpires, exampleCreated + 3600)
  assert.equal(packet.salt, null)
  const hashedPart = Buffer.concat([octets([4, 1, 1, 10]), uint16(hashed.length), hashed])
  assert.deepEqual(Buffer.from(packet.hashed), hashedPart)
  assert.deepEqual(
    packet.value.map((part) => part.length),
    [256],
  )
})

test('a version 3 packet gives what version 3 has, and hashes its type and time alone', () => {
  const packet = read({ version: 3, type: 1 })
  assert.equal(packet.version, 3)
  assert.equal(packet.unverifiedKeyId, exampleKeyId)
  assert.equal(packet.unverifiedFingerprint, null)
  assert.equal(packet.unverifiedCreated, exampleCreated)
  assert.equal(packet.unverifiedExpires, null)
  assert.deepEqual(Buffer.from(packet.hashed), Buffer.concat([octets([1]), uint32(exampleCreated)]))
})

test('a version 6 packet gives its salt, and its key id is the start of the fingerprint', () => {
  const packet = read(version6)
  assert.equal(packet.version, 6)
  assert.equal(packet.unverifiedKeyId, exampleKeyId)
  assert.equal(packet.unverifiedFingerprint, exampleFingerprint6)
  assert.deepEqual(Buffer.from(packet.salt ?? []), Buffer.alloc(16, 5))
})

test('other versions are refused', () => {
  for (const version of [0, 1, 2, 5, 7]) refused(Buffer.concat([octets([version]), signature().subarray(1)]))
})

test('a version 3 packet that hashes other than five octets is refused', () => {
  const body = signature({ version: 3 })
  body[1] = 6
  refused(body)
})

test('an unknown public-key algorithm is well formed, and its value is kept as it is', () => {
  const value = octets([0, 0, 1, 2, 3])
  for (const version of [3, 4] as const) {
    const packet = read({ version, publicKeyAlgorithm: 107, value })
    assert.deepEqual(
      packet.value.map((part) => Buffer.from(part)),
      [value],
    )
  }
  assert.equal(read({ ...version6, publicKeyAlgorithm: 31, value }).value.length, 1)
})

test('each algorithm takes exactly its value, and an octet more or less is refused', () => {
  const integer = mpi(Buffer.alloc(32, 9))
  const values: [number, Buffer][] = [
    [1, integer],
    [2, integer],
    [3, integer],
    [17, Buffer.concat([integer, integer])],
    [19, Buffer.concat([integer, integer])],
    [22, Buffer.concat([integer, integer])],
    [27, Buffer.alloc(64)],
    [28, Buffer.alloc(114)],
  ]
  for (const [publicKeyAlgorithm, value] of values) {
    read({ publicKeyAlgorithm, value })
    refused({ publicKeyAlgorithm, value: Buffer.concat([value, octets([0])]) })
    refused({ publicKeyAlgorithm, value: value.subarray(0, -1) })
  }
})

test('leading zeros of an integer are stripped; more bits than announced, or more than gpg reads, are refused', () => {
  const plain = read({ value: mpi(octets([5, 6])) }).value
  assert.deepEqual(
    plain.map((part) => [...part]),
    [[5, 6]],
  )
  for (const value of [
    [0, 24, 0, 5, 6],
    [0, 16, 5, 6],
    [0, 11, 5, 6],
  ]) {
    assert.deepEqual(
      read({ value: octets(value) }).value.map((part) => [...part]),
      [[5, 6]],
    )
  }
  refused({ value: octets([0, 10, 5, 6]) })
  refused({ value: octets([0, 9, 2, 6]) })
  refused({ value: Buffer.concat([uint16(16_385), Buffer.alloc(2049, 0)]) })
  assert.equal(read({ value: mpi(Buffer.alloc(2048, 0xff)) }).value[0]?.length, 2048)
})

test('an EdDSA value from the group order on is refused, as RFC 8032 demands and gpg does not', () => {
  const orders: [number, string, number][] = [
    [27, '1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed', 32],
    [22, '1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed', 32],
    [
      28,
      '3fffffffffffffffffffffffffffffffffffffffffffffffffffffff7cca23e9c44edb49aed63690216cc2728dc58f552378c292ab5844f3',
      57,
    ],
  ]
  for (const [publicKeyAlgorithm, order, size] of orders) {
    const valueWith = (s: bigint) => {
      const parts = [Buffer.alloc(size, 1), littleEndian(s, size)]
      return Buffer.concat(publicKeyAlgorithm === 22 ? parts.map(mpi) : parts)
    }
    const n = BigInt(`0x${order}`)
    for (const s of [0n, 1n, n >> 1n, n - 1n]) read({ publicKeyAlgorithm, value: valueWith(s) })
    for (const s of [n, n + 1n, n + (n >> 1n), 2n * n]) refused({ publicKeyAlgorithm, value: valueWith(s) })
  }
})

function littleEndian(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex').reverse()
}

test('the reduced check of EdDSA agrees with arithmetic for any s, leading zero octets or not', () => {
  const n = 2n ** 252n + 27742317777372353535851937790883648493n
  const near = fc.bigInt({ min: -(2n ** 20n), max: 2n ** 20n }).map((delta) => n + delta)
  fc.assert(
    fc.property(fc.oneof(near, fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })), fc.boolean(), (s, stripped) => {
      const octetString = littleEndian(s, 32)
      const first = octetString.findIndex((octet) => octet !== 0)
      const integer = mpi(stripped ? octetString.subarray(first < 0 ? 32 : first) : octetString)
      const fields = { publicKeyAlgorithm: 22, value: Buffer.concat([mpi(Buffer.alloc(32, 1)), integer]) }
      if (s < n) read(fields)
      else refused(fields)
    }),
  )
})

test('a salt of a size that does not go with the hash is refused', () => {
  for (const [hashAlgorithm, size] of [
    [8, 16],
    [9, 24],
    [10, 32],
    [11, 16],
    [12, 16],
    [14, 32],
  ] as const) {
    read({ ...version6, hashAlgorithm, salt: Buffer.alloc(size) })
    refused({ ...version6, hashAlgorithm, salt: Buffer.alloc(size + 1) })
    refused({ ...version6, hashAlgorithm, salt: none })
  }
  read({ ...version6, hashAlgorithm: 42, salt: Buffer.alloc(7) })
})

test('a packet cut anywhere, or with an octet behind it, is refused', () => {
  for (const fields of [{ version: 3 }, { version: 4 }, version6] as const) {
    const body = signature(fields)
    readSignaturePacket(body)
    for (let length = 0; length < body.length; length++) refused(body.subarray(0, length))
    refused(Buffer.concat([body, octets([0])]))
  }
})

test('any octets give a packet or a refusal, nothing else', () => {
  const start = fc.constantFrom(signature(), signature({ version: 3 }), signature(version6))
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 80 }), fc.nat(60), (body, noise, at) => {
      try {
        readSignaturePacket(Buffer.concat([body.subarray(0, at), noise, body.subarray(at + noise.length)]))
      } catch (error) {
        assert.equal((error as Error).name, 'Refusal')
      }
    }),
  )
})
