import assert from 'node:assert/strict'
import test from 'node:test'
import * as openpgp from 'openpgp'
import { candidates } from '../../src/openpgp/candidates.ts'
import { stateAt } from '../../src/openpgp/key-state.ts'
import { type Keyring, readKeyring, type VerificationKey } from '../../src/openpgp/keyring.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import {
  backSignature,
  binding,
  certification,
  directSignature,
  ed25519Pair,
  type ForgedKey,
  forgeKey,
  forgeMessage,
  keyPacket,
  subkeyPacket,
  userIdPacket,
} from './forge.ts'
import { expires, issuer, octets, subpacket, uint32 } from './write.ts'

const day = 86_400
const start = 1_700_000_000
const now = start + 100 * day
const name = 'Signer <signer@example.org>'

const key = forgeKey(ed25519Pair(), start)
const other = forgeKey(ed25519Pair(), start)

const mayCertifyAndSign = subpacket(27, octets([3]))
const mayOnlyCertify = subpacket(27, octets([1]))
const maySign = subpacket(27, octets([2]))
const lasts = (seconds: number) => subpacket(9, uint32(seconds))

const head = (of = key) => keyPacket(of)
const named = (hashed: Buffer[] = [mayCertifyAndSign], of = key) => [
  userIdPacket(name),
  certification(of, name, { hashed }),
]
const plain = (of = key) => Buffer.concat([head(of), ...named(undefined, of)])
const revocation = (options = {}) => directSignature(key, { type: 0x20, created: start + day, ...options })
const revoked = Buffer.concat([head(), revocation(), ...named()])
const withSubkey = (...signatures: Buffer[]) => Buffer.concat([plain(), subkeyPacket(other), ...signatures])
const back = backSignature(key, other)

function find(keyring: Keyring, { fingerprint }: ForgedKey): VerificationKey {
  const found = keyring.certificates
    .flatMap(({ keys }) => keys)
    .find((each) => each.fingerprint === fingerprint)
  assert.ok(found)
  return found
}

async function state(of: ForgedKey, at: number, ...files: Uint8Array[]): Promise<string> {
  return stateAt(find(await readKeyring(...files), of).timeline, at)
}

const second = forgeKey(ed25519Pair(), start)

test('a key has its user ids, the primary one first and no revoked one', async () => {
  const ids = ['Old', 'Plain', 'Primary', 'Revoked'].map((text, at) => {
    const hashed = text === 'Primary' ? [subpacket(25, octets([1]))] : []
    const signed = [userIdPacket(text), certification(key, text, { hashed, created: start + at })]
    return text === 'Revoked'
      ? [...signed, certification(key, text, { type: 0x30, created: start + 9 })]
      : signed
  })
  const { certificates } = await readKeyring(Buffer.concat([head(), ...ids.flat()]))
  assert.deepEqual(certificates[0]?.userIds, ['Primary', 'Plain', 'Old'])
})

test('a copy without the revocation cannot hide it, in one file or two, whatever the order', async () => {
  for (const files of [[Buffer.concat([plain(), revoked])], [plain(), revoked], [revoked, plain()]])
    assert.equal(await state(key, now, ...files), 'revoked')
})

test('a false revocation neither counts nor hides a genuine one', async () => {
  const asIfByKey = { type: 0x20, unhashed: [issuer(key.keyId)], withFingerprint: false }
  const falsely = Buffer.concat([head(), directSignature(other, asIfByKey, key), ...named()])
  assert.equal(await state(key, now, falsely), 'good')
  assert.equal(await state(key, now, falsely, revoked), 'revoked')
})

const reasons = [0, 1, 2, 3].map((reason) => revocation({ hashed: [subpacket(29, octets([reason]))] }))
const revocations: [string, Buffer][] = [
  ...reasons.map((each, reason): [string, Buffer] => [`for reason ${reason}`, each]),
  ['dated ahead', revocation({ created: now + day })],
  ['that has expired', revocation({ hashed: [expires(1)] })],
  ['over SHA-1', revocation({ hashAlgorithm: 2 })],
  ['of version 3', revocation({ version: 3 })],
]
for (const [what, signature] of revocations) {
  test(`a key is revoked at any time by a revocation ${what}, wherever it stands`, async () => {
    for (const bytes of [
      [head(), signature, ...named()],
      [plain(), signature],
    ])
      for (const at of [start, now]) assert.equal(await state(key, at, Buffer.concat(bytes)), 'revoked')
  })
}

test('a key that may revoke another one does, if it is there', async () => {
  const revoker = subpacket(12, Buffer.concat([octets([0x80, 22]), Buffer.from(other.fingerprint, 'hex')]))
  const foreign = directSignature(other, { type: 0x20 }, key)
  const appointed = Buffer.concat([head(), directSignature(key, { hashed: [revoker] }), foreign, ...named()])
  assert.equal(await state(key, now, appointed, plain(other)), 'revoked')
  assert.equal(await state(key, now, appointed), 'good')
  assert.equal(await state(key, now, Buffer.concat([head(), foreign, ...named()]), plain(other)), 'good')
})

test('a key expires, and is good again when that was put off', async () => {
  const short = Buffer.concat([head(), ...named([mayCertifyAndSign, lasts(day)])])
  assert.equal(await state(key, start - 1, short), 'not-made-yet')
  assert.equal(await state(key, start, short), 'good')
  assert.equal(await state(key, start + day - 1, short), 'good')
  assert.equal(await state(key, start + day, short), 'key-expired')
  const again = certification(key, name, {
    created: start + 50,
    hashed: [mayCertifyAndSign, lasts(200 * day)],
  })
  assert.equal(await state(key, now, Buffer.concat([short, again])), 'good')
})

test('when a signature that sets an expiry has itself expired, the one before counts again', async () => {
  const first = certification(key, name, { hashed: [mayCertifyAndSign, lasts(10 * day)] })
  const longer = [mayCertifyAndSign, lasts(1000 * day), expires(50 * day)]
  const later = certification(key, name, { created: start + 1, hashed: longer })
  const bytes = Buffer.concat([head(), userIdPacket(name), first, later])
  assert.equal(await state(key, start + 49 * day, bytes), 'good')
  assert.equal(await state(key, start + 51 * day, bytes), 'key-expired')
})

test('a key that only certifies is no signing key; one without flags is', async () => {
  assert.equal(await state(key, now, Buffer.concat([head(), ...named([mayOnlyCertify])])), 'not-signing-key')
  assert.equal(await state(key, now, Buffer.concat([head(), ...named([])])), 'good')
  const direct = directSignature(key, { hashed: [maySign] })
  assert.equal(await state(key, now, Buffer.concat([head(), direct, ...named([mayOnlyCertify])])), 'good')
})

const subkeys: [string, Buffer, string][] = [
  ['signed in both directions', withSubkey(binding(key, other, { hashed: [maySign, back] })), 'good'],
  ['not signed back', withSubkey(binding(key, other, { hashed: [maySign] })), 'not-signing-key'],
  [
    'signed back by another key',
    withSubkey(binding(key, other, { hashed: [maySign, backSignature(key, other, key)] })),
    'not-signing-key',
  ],
  [
    'for encryption',
    withSubkey(binding(key, other, { hashed: [subpacket(27, octets([4])), back] })),
    'not-signing-key',
  ],
  ['that is not bound', withSubkey(), 'not-signing-key'],
  [
    'that another key bound',
    withSubkey(binding(second, other, { hashed: [maySign, back] })),
    'not-signing-key',
  ],
  [
    'that has expired',
    withSubkey(binding(key, other, { hashed: [maySign, back, lasts(day)] })),
    'key-expired',
  ],
  [
    'whose binding has expired',
    withSubkey(binding(key, other, { hashed: [maySign, back, expires(day)] })),
    'not-signing-key',
  ],
  [
    'revoked and bound again',
    withSubkey(
      binding(key, other, { hashed: [maySign, back] }),
      binding(key, other, { type: 0x28 }),
      binding(key, other, { created: start + day, hashed: [maySign, back] }),
    ),
    'revoked',
  ],
]
for (const [what, bytes, expected] of subkeys) {
  test(`a subkey ${what}: ${expected}`, async () => {
    assert.equal(await state(other, now, bytes), expected)
  })
}

test('a subkey shares the end of its primary key', async () => {
  const bound = [subkeyPacket(other), binding(key, other, { hashed: [maySign, back] })]
  assert.equal(await state(other, now, Buffer.concat([revoked, ...bound])), 'revoked')
  const short = Buffer.concat([head(), ...named([mayCertifyAndSign, lasts(day)]), ...bound])
  assert.equal(await state(other, now, short), 'key-expired')
  assert.equal(await state(other, start + 1, short), 'good')
})

test('a subkey listed twice is revoked if one of the two is', async () => {
  const bound = binding(key, other, { hashed: [maySign, back] })
  const twice = withSubkey(bound, binding(key, other, { type: 0x28 }), subkeyPacket(other), bound)
  assert.equal(await state(other, now, twice), 'revoked')
})

test('only keys that the signature can be of are candidates', async () => {
  const keyring = await readKeyring(plain(), plain(second))
  const found = (options: object, of = key) =>
    candidates(keyring, readMessage(forgeMessage(of, Buffer.from('{}'), options)).signature).map(
      ({ fingerprint }) => fingerprint,
    )
  assert.deepEqual(found({}), [key.fingerprint])
  assert.deepEqual(found({ withFingerprint: false }), [key.fingerprint])
  assert.deepEqual(found({ version: 3 }, second), [second.fingerprint])
  assert.deepEqual(found({}, other), [])
  const collision = { ...key, fingerprint: `${'0'.repeat(24)}${key.keyId}` }
  assert.deepEqual(found({}, collision), [])
})

test('keys of openpgp.js of versions 4 and 6 are read', async () => {
  for (const v6Keys of [false, true]) {
    const { publicKey } = await openpgp.generateKey({
      type: 'curve25519',
      userIDs: [{ name: 'signer' }],
      subkeys: [{ sign: true }],
      format: 'object',
      date: new Date(start * 1000),
      config: { v6Keys },
    })
    const { certificates, warnings } = await readKeyring(publicKey.write())
    const [certificate] = certificates
    assert.deepEqual(warnings, [])
    assert.equal(certificate?.fingerprint, publicKey.getFingerprint().toUpperCase())
    assert.deepEqual(
      certificate?.keys.map(({ keyId }) => keyId),
      publicKey.getKeyIDs().map((id) => id.toHex().toUpperCase()),
    )
    assert.deepEqual(
      certificate?.keys.map(({ timeline }) => stateAt(timeline, now)),
      ['good', 'good'],
    )
  }
})
