import assert from 'node:assert/strict'
import test from 'node:test'
import * as openpgp from 'openpgp'
import { candidates } from '../../src/openpgp/candidates.ts'
import { readKeyPacket } from '../../src/openpgp/key-packet.ts'
import { readKeyring, type VerificationKey } from '../../src/openpgp/keyring.ts'
import { readMessage, type SignedMessage } from '../../src/openpgp/message.ts'
import { type CheckKey, checkSignature } from '../../src/openpgp/verify.ts'
import { Refusal } from '../../src/refusal.ts'
import { claim, fixture } from './fixture.ts'
import { ecdsaPair, ed25519Pair, forgeKey, forgeMessage, rsaPair, type SignatureOptions } from './forge.ts'
import { octets, subpacket } from './write.ts'

const start = 1_700_000_000
const pairs = {
  ed25519: ed25519Pair(),
  p256: ecdsaPair('prime256v1'),
  p384: ecdsaPair('secp384r1'),
  p521: ecdsaPair('secp521r1'),
  secp256k1: ecdsaPair('secp256k1'),
  brainpool: ecdsaPair('brainpoolP256r1'),
  rsa: rsaPair(2048),
  rsa1024: rsaPair(1024),
}
type Kind = keyof typeof pairs

async function check(kind: Kind, options: SignatureOptions = {}): Promise<string> {
  const key = forgeKey(pairs[kind], start)
  return checkSignature(readMessage(forgeMessage(key, claim, options)), await readKeyPacket(key.body))
}

async function ofFixture(name: string): Promise<[SignedMessage, VerificationKey]> {
  const message = readMessage(fixture(`keyrings/${name}.sig`))
  const [key] = candidates(await readKeyring(fixture(`keyrings/${name}.gpg`)), message.signature)
  assert.ok(key)
  return [message, key]
}

const ofGpg = [
  ...['rsa2048', 'rsa3072', 'rsa4096', 'ed25519', 'nistp256', 'nistp384', 'nistp521'],
  ...['brainpoolP256r1', 'secp256k1', 'subkey'],
]
for (const name of ofGpg) {
  test(`a signature of gpg is good: ${name}`, async () => {
    assert.equal(checkSignature(...(await ofFixture(name))), 'good')
  })
}

test('DSA is weak', async () => {
  assert.equal(checkSignature(...(await ofFixture('dsa2048'))), 'weak')
})

const ofOpenpgpjs: [string, Partial<openpgp.KeyOptions>][] = [
  ['Ed25519, version 4', { type: 'curve25519' }],
  ['Ed25519, version 6', { type: 'curve25519', config: { v6Keys: true } }],
  ['Ed448, version 4', { type: 'curve448' }],
  ['Ed448, version 6', { type: 'curve448', config: { v6Keys: true } }],
  ['EdDSA, version 4', { type: 'ecc', curve: 'ed25519Legacy' }],
  ['ECDSA P-384, version 6', { type: 'ecc', curve: 'nistP384', config: { v6Keys: true } }],
]
for (const [what, options] of ofOpenpgpjs) {
  test(`a signature of openpgp.js is good, and bad for one octet more: ${what}`, async () => {
    const generated = await openpgp.generateKey({
      userIDs: [{ name: 'signer' }],
      ...options,
      format: 'object',
    })
    for (const content of [{ binary: new Uint8Array(claim) }, { text: '{"a":1}' }]) {
      const message = await openpgp.createMessage(content as { text: string })
      const signed = await openpgp.sign({ message, signingKeys: generated.privateKey, format: 'binary' })
      const read = readMessage(signed as Uint8Array)
      const [key] = candidates(await readKeyring(generated.publicKey.write()), read.signature)
      assert.ok(key)
      assert.equal(checkSignature(read, key), 'good')
      assert.equal(
        checkSignature({ ...read, payload: Buffer.concat([read.payload, octets([32])]) }, key),
        'bad',
      )
    }
  })
}

for (const kind of ['rsa', 'ed25519', 'p256'] as const) {
  test(`versions 3 and 4, binary and text, are good: ${kind}`, async () => {
    for (const version of [3, 4] as const)
      for (const type of [0, 1]) assert.equal(await check(kind, { version, type }), 'good')
  })
}

test('curves that gpg has are good with a hash as long as they are, and weak with a shorter one', async () => {
  const curves: [Kind, number, number][] = [
    ['p256', 8, 11],
    ['p384', 9, 8],
    ['p521', 10, 9],
    ['secp256k1', 8, 11],
    ['brainpool', 8, 11],
    ['ed25519', 8, 11],
  ]
  for (const [kind, long, short] of curves) {
    assert.equal(await check(kind, { hashAlgorithm: long }), 'good', kind)
    assert.equal(await check(kind, { hashAlgorithm: short }), 'weak', kind)
  }
})

test('MD5, SHA-1, RIPEMD-160 and RSA under 2047 bits are weak', async () => {
  for (const hashAlgorithm of [1, 2, 3]) assert.equal(await check('rsa', { hashAlgorithm }), 'weak')
  assert.equal(await check('rsa1024'), 'weak')
})

test('a weak signature that is false is bad', async () => {
  const key = forgeKey(pairs.rsa, start)
  const message = readMessage(forgeMessage(key, claim, { hashAlgorithm: 2 }))
  const result = checkSignature({ ...message, payload: octets([1]) }, await readKeyPacket(key.body))
  assert.equal(result, 'bad')
})

test('an unknown hash, SHA-3 before version 6, and an unknown demand are unsupported', async () => {
  for (const hashAlgorithm of [12, 14, 99]) assert.equal(await check('rsa', { hashAlgorithm }), 'unsupported')
  for (const type of [1, 20, 99]) {
    const hashed = [subpacket(type, octets([1]), { critical: true })]
    assert.equal(await check('ed25519', { hashed }), 'unsupported')
    assert.equal(await check('ed25519', { hashed: [subpacket(type, octets([1]))] }), 'good')
  }
  const critical = [26, 27].map((type) => subpacket(type, octets([1]), { critical: true }))
  assert.equal(await check('ed25519', { hashed: critical }), 'good')
})

test('material that cannot be verified with is unsupported', async () => {
  const key = forgeKey(pairs.ed25519, start)
  const unknown = { ...(await readKeyPacket(key.body)), publicKey: null }
  assert.equal(checkSignature(readMessage(forgeMessage(key, claim)), unknown), 'unsupported')
  const offCurve = Buffer.from(forgeKey(pairs.p256, start).body)
  offCurve.writeUInt8(offCurve.readUInt8(offCurve.length - 1) ^ 1, offCurve.length - 1)
  assert.equal((await readKeyPacket(offCurve)).publicKey, null)
})

test('a signature older than its key is bad', async () => {
  assert.equal(await check('ed25519', { created: start - 1 }), 'bad')
})

test('another algorithm than that of the key is bad, but in version 3, where it is outside the hash', async () => {
  assert.equal(await check('p256', { publicKeyAlgorithm: 17 }), 'bad')
  assert.equal(await check('p256', { publicKeyAlgorithm: 17, version: 3 }), 'good')
  assert.equal(await check('rsa', { publicKeyAlgorithm: 3 }), 'good')
})

test('of a good signature no other spelling of its value is good', async () => {
  const { n } = pairs.rsa.privateKey.export({ format: 'jwk' }) as { n: string }
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
  const [message, key] = await forged('rsa')
  const [value] = message.signature.value
  assert.ok(value)
  const higher = (BigInt(`0x${Buffer.from(value).toString('hex')}`) + modulus).toString(16)
  const longer = Buffer.from(higher.length % 2 ? `0${higher}` : higher, 'hex')
  // An octet more than the modulus has, however many zeros the value itself begins with.
  const padded = Buffer.concat([Buffer.alloc(257 - value.length), value])
  for (const other of [longer, padded, Buffer.concat([value, octets([0])])])
    assert.equal(checkSignature(withValue(message, [other]), key), 'bad')
})

test('of ECDSA the negative s is as good, and s plus the order is bad', async () => {
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const [message, key] = await forged('p256')
  const [r, s] = message.signature.value
  assert.ok(r && s)
  const number = BigInt(`0x${Buffer.from(s).toString('hex')}`)
  const written = (value: bigint) =>
    Buffer.from(value.toString(16).padStart(66, '0').replace(/^00/, ''), 'hex')
  assert.equal(checkSignature(withValue(message, [r, written(order - number)]), key), 'good')
  assert.equal(checkSignature(withValue(message, [r, written(order + number)]), key), 'bad')
  assert.equal(checkSignature(withValue(message, [octets([]), octets([])]), key), 'bad')
  assert.equal(checkSignature(withValue(message, [r, octets([])]), key), 'bad')
})

async function forged(kind: Kind): Promise<[SignedMessage, CheckKey]> {
  const key = forgeKey(pairs[kind], start)
  return [readMessage(forgeMessage(key, claim)), await readKeyPacket(key.body)]
}

function withValue(message: SignedMessage, value: Uint8Array[]): SignedMessage {
  return { ...message, signature: { ...message.signature, value } }
}

for (const kind of ['ed25519', 'p256', 'brainpool', 'rsa'] as const) {
  test(`no flipped bit of payload, hashed part or value is good: ${kind}`, async () => {
    for (const version of [3, 4] as const) {
      const key = forgeKey(pairs[kind], start)
      const bytes = forgeMessage(key, Buffer.from('{"a":1}'), { version })
      const own = await readKeyPacket(key.body)
      const original = readMessage(bytes)
      assert.equal(checkSignature(original, own), 'good')
      const { value, hashed } = original.signature
      for (const part of [original.payload, hashed, ...value]) {
        for (let bit = 0; bit < part.length * 8; bit += 3) {
          flip(part, bit)
          assert.notEqual(checkSignature(original, own), 'good', `bit ${bit} of ${part.length} octets`)
          flip(part, bit)
        }
      }
      assert.equal(checkSignature(original, own), 'good')
    }
  })

  test(`a flipped bit of the key makes no signature good: ${kind}`, async () => {
    const [message, { algorithm }] = await forged(kind)
    const key = forgeKey(pairs[kind], start)
    const prefix = 6
    for (let bit = prefix * 8; bit < key.body.length * 8; bit += 3) {
      const body = Buffer.from(key.body)
      flip(body, bit)
      const changed = await readKeyPacket(body).catch(() => null)
      if (changed === null) continue
      assert.equal(changed.algorithm, algorithm)
      assert.notEqual(checkSignature(message, changed), 'good', `bit ${bit}`)
    }
  })

  test(`flipped bits of an upload are refused, or not good unless outside the signature: ${kind}`, async () => {
    const key = forgeKey(pairs[kind], start)
    const bytes = forgeMessage(key, Buffer.from('{"a":1}'))
    const own = await readKeyPacket(key.body)
    const original = readMessage(Buffer.from(bytes))
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      flip(bytes, bit)
      const message = readOrNull(bytes)
      if (message !== null && checkSignature(message, own) === 'good') {
        assert.deepEqual(message.payload, original.payload)
        assert.deepEqual(message.signature.hashed, original.signature.hashed)
        assert.deepEqual(message.signature.value, original.signature.value)
      }
      flip(bytes, bit)
    }
  })
}

function flip(octets: Uint8Array, bit: number): void {
  octets[bit >> 3] = (octets[bit >> 3] ?? 0) ^ (1 << (bit & 7))
}

function readOrNull(bytes: Uint8Array): SignedMessage | null {
  try {
    return readMessage(bytes)
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return null
  }
}
