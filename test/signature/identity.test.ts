import assert from 'node:assert/strict'
import test from 'node:test'
import { packetTag } from '../../src/openpgp/packets.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { claim, fixture } from '../openpgp/fixture.ts'
import {
  armored,
  compressed,
  created,
  exampleCreated,
  exampleFingerprint,
  exampleKeyId,
  type Framing,
  issuer,
  issuerFingerprint,
  literal,
  mpi,
  octets,
  packet,
  packetsOf,
  type SignatureFields,
  signature,
  subpacket,
  uint16,
  version6,
} from '../openpgp/write.ts'

function identity(blob: Uint8Array): string {
  return readSignature(blob, { sigstoreJson: true }).identity
}

/** The bodies of a one-pass signed message of gpg: one-pass packet, literal data, signature. */
function partsOf(name: string): { onePass: Uint8Array; literal: Uint8Array; signature: Uint8Array } {
  const [onePass, literal, signature] = packetsOf(fixture(name)).map(({ body }) => body)
  assert.ok(onePass && literal && signature)
  return { onePass, literal, signature }
}

type Parts = ReturnType<typeof partsOf>

function message(parts: Parts, framing: Framing = 'new'): Buffer {
  return Buffer.concat([
    packet(packetTag.onePassSignature, parts.onePass),
    packet(packetTag.literal, parts.literal, framing),
    packet(packetTag.signature, parts.signature),
  ])
}

/** The body of a version 4 signature packet with other unhashed subpackets, and another value where one is given. */
function rewritten(body: Uint8Array, unhashed: Uint8Array, value?: Uint8Array): Buffer {
  const buffer = Buffer.from(body)
  const hashedEnd = 6 + buffer.readUInt16BE(4)
  const unhashedEnd = hashedEnd + 2 + buffer.readUInt16BE(hashedEnd)
  return Buffer.concat([
    buffer.subarray(0, hashedEnd),
    uint16(unhashed.length),
    unhashed,
    buffer.subarray(unhashedEnd, unhashedEnd + 2),
    value ?? buffer.subarray(unhashedEnd + 2),
  ])
}

function signatureValueOf(body: Uint8Array): Buffer {
  const buffer = Buffer.from(body)
  const hashedEnd = 6 + buffer.readUInt16BE(4)
  return buffer.subarray(hashedEnd + 4 + buffer.readUInt16BE(hashedEnd))
}

/** Each form is one that anybody can make of a published signature, without its key. */
function variants(name: string): [string, Buffer][] {
  const parts = partsOf(name)
  const renamed = { ...parts, literal: literal(claim, { format: 'u', name: 'other', date: 12345 }) }
  const withUnhashed = (...unhashed: Buffer[]) =>
    message({ ...parts, signature: rewritten(parts.signature, Buffer.concat(unhashed)) })
  const bare = message(parts)
  const prefixed = Buffer.concat([Buffer.from('\0simple-signing\n'), bare])
  const padded = { ...parts, literal: literal(claim, { name: 'n'.repeat(250) }) }
  return [
    ['as gpg made it', fixture(name)],
    ['new packet format', bare],
    ['old packet format', message(parts, 'old-4')],
    ['lengths of five octets', message(parts, 'new-5')],
    ['partial lengths', message(padded, 'partial')],
    ['other literal header', message(renamed)],
    [
      'signature first',
      Buffer.concat([packet(2, parts.signature), packet(11, parts.literal, 'indeterminate')]),
    ],
    ['deflate', packet(packetTag.compressed, compressed(1, bare), 'indeterminate')],
    ['zlib', packet(packetTag.compressed, compressed(2, bare), 'partial')],
    ['compressed packet without compression', packet(packetTag.compressed, compressed(0, bare))],
    ['no unhashed subpackets', withUnhashed()],
    [
      'other unhashed subpackets',
      withUnhashed(subpacket(20, Buffer.alloc(30, 'n')), subpacket(3, octets([0, 0, 0, 1]))),
    ],
    ['armor', armored(bare)],
    ['prefix', prefixed],
  ]
}

for (const name of ['rsa.pgp', 'ed25519.pgp', 'nistp256.pgp', 'dsa.pgp']) {
  const expected = identity(fixture(name))
  for (const [what, blob] of variants(name)) {
    test(`the same signature in another form has the same identity: ${name}, ${what}`, () => {
      assert.equal(identity(blob), expected)
    })
  }
}

/** The order of the group of P-256 (SEC 2, section 2.4.2). */
const orderP256 = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')

function mpisOf(value: Buffer): Buffer[] {
  const size = 2 + ((value.readUInt16BE(0) + 7) >> 3)
  return [value.subarray(2, size), value.subarray(size + 2)]
}

test('an ECDSA signature with s replaced by n - s has the same identity', () => {
  const parts = partsOf('nistp256.pgp')
  const [r, s] = mpisOf(signatureValueOf(parts.signature))
  assert.ok(r && s)
  const negated = Buffer.from(
    (orderP256 - BigInt(`0x${s.toString('hex')}`)).toString(16).padStart(64, '0'),
    'hex',
  )
  const other = Buffer.concat([mpi(r), mpi(negated)])
  const mirrored = message({ ...parts, signature: rewritten(parts.signature, Buffer.alloc(0), other) })
  assert.equal(identity(mirrored), identity(fixture('nistp256.pgp')))
})

test('leading zeros of its integers do not matter to the identity', () => {
  for (const name of ['nistp256.pgp', 'dsa.pgp', 'ed25519.pgp']) {
    const parts = partsOf(name)
    const zeros = Buffer.alloc(3)
    const padded = mpisOf(signatureValueOf(parts.signature)).map((integer) =>
      mpi(Buffer.concat([zeros, integer])),
    )
    const blob = message({
      ...parts,
      signature: rewritten(parts.signature, Buffer.alloc(0), Buffer.concat(padded)),
    })
    assert.equal(identity(blob), identity(fixture(name)))
  }
})

test('another value is another signature, but for the s of DSA and ECDSA', () => {
  for (const [name, spoilt, same] of [
    ['rsa.pgp', 'last', false],
    ['ed25519.pgp', 'first', false],
    ['ed25519.pgp', 'last', false],
    ['nistp256.pgp', 'first', false],
    ['nistp256.pgp', 'last', true],
    ['dsa.pgp', 'first', false],
    ['dsa.pgp', 'last', true],
  ] as const) {
    const parts = partsOf(name)
    const body = Buffer.from(parts.signature)
    const at = spoilt === 'last' ? body.length - 20 : body.length - signatureValueOf(body).length + 20
    body[at] = (body[at] ?? 0) ^ 1
    const changed = identity(message({ ...parts, signature: body }))
    assert.equal(changed === identity(fixture(name)), same, `${name}, ${spoilt}`)
  }
})

/** A signature of no key, well formed, with some of its fields changed. */
function made(fields: Partial<SignatureFields> = {}, payload: Uint8Array = claim): string {
  return identity(
    Buffer.concat([
      packet(packetTag.signature, signature(fields)),
      packet(packetTag.literal, literal(payload)),
    ]),
  )
}

const byFingerprint = issuerFingerprint(exampleFingerprint)

test('whatever the key vouches for makes another identity', () => {
  const otherKey = 'FEDCBA9876543210'
  const raw = octets([1, 2, 3])
  const identities = [
    made(),
    made({}, Buffer.from(claim.toString().replace(':1.0', ':2.0'))),
    made({}, Buffer.concat([claim, Buffer.from(' ')])),
    made({ type: 1 }),
    made({ hashAlgorithm: 10 }),
    made({ publicKeyAlgorithm: 3 }),
    made({ publicKeyAlgorithm: 100, value: raw }),
    made({ hashed: Buffer.concat([created(exampleCreated + 1), byFingerprint]) }),
    made({ hashed: Buffer.concat([byFingerprint, created(exampleCreated)]) }),
    made({ hashed: created(exampleCreated) }),
    made({ hashed: created(exampleCreated), unhashed: issuer(otherKey) }),
    made({ value: mpi(Buffer.alloc(256, 0x5a)) }),
    made({ version: 3 }),
    made({ version: 3, type: 1 }),
    made({ version: 3, created: exampleCreated + 1 }),
    made({ version: 3, keyId: otherKey }),
    made({ version: 3, hashAlgorithm: 10 }),
    made({ version: 3, publicKeyAlgorithm: 100, value: raw }),
    made(version6),
    made({ ...version6, salt: Buffer.alloc(16, 6) }),
  ]
  assert.equal(new Set(identities).size, identities.length)
})

test('algorithms of one form are one in version 3, where gpg goes by the key', () => {
  const integers = Buffer.concat([mpi(Buffer.alloc(32, 1)), mpi(Buffer.alloc(32, 2))])
  const rsa = [1, 2, 3].map((publicKeyAlgorithm) => made({ version: 3, publicKeyAlgorithm }))
  const others = [17, 19, 22].map((publicKeyAlgorithm) =>
    made({ version: 3, publicKeyAlgorithm, value: integers }),
  )
  assert.equal(new Set(rsa).size, 1)
  assert.equal(new Set(others).size, 1)
  assert.notEqual(rsa[0], others[0])
})

test('how the issuer is named outside the hash does not matter', () => {
  const hashed = created(exampleCreated)
  const byId = issuer(exampleKeyId)
  const expected = made({ hashed, unhashed: byId })
  for (const unhashed of [[byFingerprint], [byId, byFingerprint], [byFingerprint, byId], [byId, byId]]) {
    assert.equal(made({ hashed, unhashed: Buffer.concat(unhashed) }), expected)
  }
})

test('an identity is the same in every release', () => {
  assert.equal(made(), '8415d933bbe9635f35dfa23f6aa18d338da523de3486880215977b87cb9ba913')
  assert.equal(made({ version: 3 }), 'fdb996f166ea71df6c204b99f512cf13bede6bf592c6c3b65f030655b97f5154')
  assert.equal(made(version6), 'af701b80087fa71499cec0d92d7a553441637b02d1266ee3a88195340b378a34')
})
