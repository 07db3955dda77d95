import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import test from 'node:test'
import { readSignature } from '../../src/signature/signature.ts'

const payload = {
  critical: {
    identity: { 'docker-reference': 'registry.example.com/team/app' },
    image: { 'docker-manifest-digest': `sha256:${'0'.repeat(64)}` },
    type: 'cosign container image signature',
  },
  optional: null as unknown,
}

const annotation = 'dev.cosignproject.cosign/signature'
const mimeType = 'application/vnd.dev.cosign.simplesigning.v1+json'
const { privateKey: ecdsaKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function base64(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64')
}

interface Content {
  claim?: unknown
  value?: Uint8Array
  more?: Record<string, unknown>
  annotations?: Record<string, unknown>
}

/** As c/image stores one. */
function document({
  claim = payload,
  value = Buffer.from('value'),
  more = {},
  annotations = {},
}: Content = {}) {
  const all = { [annotation]: base64(value), ...annotations }
  return { mimeType, payload: base64(JSON.stringify(claim)), annotations: all, ...more }
}

function blob(json: unknown): Buffer {
  return Buffer.from(`\0sigstore-json\n${typeof json === 'string' ? json : JSON.stringify(json)}`)
}

function read(json: unknown) {
  return readSignature(blob(json), { sigstoreJson: true })
}

function refused(json: unknown, code = 'sigstore-json'): void {
  assert.throws(() => read(json), { name: 'Refusal', code })
}

test('a sigstore-json blob is read as it is stored, and names no signer', () => {
  const upload = blob(document())
  const signature = readSignature(upload, { sigstoreJson: true })
  assert.equal(signature.format, 'sigstore-json')
  assert.deepEqual(Buffer.from(signature.blob), upload)
  assert.equal(signature.signer, null)
  assert.equal(signature.claim.dockerReference, 'registry.example.com/team/app')
})

test('it is refused where the operator has not permitted it', () => {
  assert.throws(() => readSignature(blob(document()), { sigstoreJson: false }), {
    code: 'format-not-permitted',
  })
})

test('what is not such a document is refused', () => {
  const { annotations, ...withoutAnnotations } = document()
  refused('')
  refused('{')
  refused('[]')
  refused('null')
  refused(`${JSON.stringify(document())} {}`)
  refused(JSON.stringify(document()).replace('{', '{"mimeType":"text/plain",'))
  refused(withoutAnnotations)
  refused(document({ more: { extra: 1 } }))
  refused({ ...withoutAnnotations, Annotations: annotations })
  refused(document({ more: { mimeType: 'application/json' } }))
  refused(document({ more: { annotations: [] } }))
  refused(document({ more: { annotations: {} } }))
  refused(document({ annotations: { other: 1 } }))
})

test('payload and signature must be canonical base64 of something', () => {
  for (const text of ['', 'A', 'A===', 'AB==', 'AA==\n', '-_==', 5, null]) {
    refused(document({ more: { payload: text } }))
    refused(document({ annotations: { [annotation]: text } }))
  }
})

test('its payload is a claim of the sigstore kind', () => {
  refused(document({ claim: { ...payload, extra: 1 } }), 'claim-unknown-key')
  refused(document({ claim: { ...payload, optional: [] } }), 'claim-optional')
  const critical = { ...payload.critical, type: 'atomic container signature' }
  refused(document({ claim: { ...payload, critical } }), 'claim-type')
})

function identity(content: Content): string {
  return read(document(content)).identity
}

function signed(key: KeyObject, content: unknown = payload): Buffer {
  return sign('sha256', Buffer.from(JSON.stringify(content)), key)
}

/** The order of the group of P-256 (SEC 2, section 2.4.2). */
const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')

function integer(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')
  const positive = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes])
  return Buffer.concat([Buffer.from([2, positive.length]), positive])
}

function sequence(...integers: Buffer[]): Buffer {
  const content = Buffer.concat(integers)
  return Buffer.concat([
    Buffer.from(content.length < 128 ? [0x30, content.length] : [0x30, 0x81, content.length]),
    content,
  ])
}

function valuesOf(der: Buffer): [bigint, bigint] {
  const rLength = der[3] ?? 0
  const r = der.subarray(4, 4 + rLength)
  return [BigInt(`0x${r.toString('hex')}`), BigInt(`0x${der.subarray(6 + rLength).toString('hex')}`)]
}

test('n - s has the identity of s, and the annotations beside the signature do not matter', () => {
  const value = signed(ecdsaKey)
  const [r, s] = valuesOf(value)
  const expected = identity({ value })
  assert.deepEqual(sequence(integer(r), integer(s)), value)
  assert.equal(identity({ value: sequence(integer(r), integer(order - s)) }), expected)
  assert.equal(identity({ value, annotations: { 'dev.sigstore.cosign/bundle': '{}' } }), expected)
})

test('P-521, whose DER needs a long length, has it too', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  const value = signed(privateKey)
  assert.equal(value[1], 0x81)
  const spoilt = Buffer.from(value)
  spoilt[spoilt.length - 1] = (spoilt.at(-1) ?? 0) ^ 1
  assert.equal(identity({ value: spoilt }), identity({ value }))
})

test('another payload, key or nonce makes another identity', () => {
  const otherClaim = { ...payload, optional: {} }
  const { privateKey: rsaKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { privateKey: ed25519Key } = generateKeyPairSync('ed25519')
  const value = signed(ecdsaKey)
  const identities = [
    identity({ value }),
    identity({ value: signed(ecdsaKey) }),
    identity({ value, claim: otherClaim }),
    identity({ value: signed(rsaKey) }),
    identity({ value: sign(null, Buffer.from(JSON.stringify(payload)), ed25519Key) }),
  ]
  assert.equal(new Set(identities).size, identities.length)
})

test('what only resembles an ECDSA signature counts whole', () => {
  const [r, s] = [integer(5n), integer(7n)]
  const strict = sequence(r, s)
  const resembling = [
    sequence(r),
    sequence(r, s, s),
    Buffer.concat([strict, Buffer.from([0])]),
    sequence(Buffer.from([2, 2, 0, 5]), s),
    sequence(Buffer.from([2, 1, 0x85]), s),
    sequence(Buffer.from([2, 1, 0]), s),
    sequence(Buffer.from([2, 0]), s),
    sequence(Buffer.from([4, 1, 5]), s),
    Buffer.from([0x30, 0x81, 6, 2, 1, 5, 2, 1, 7]),
    Buffer.from([0x30, 7, 2, 1, 5, 2, 1, 7]),
    Buffer.from([0x31, 6, 2, 1, 5, 2, 1, 7]),
    Buffer.from([0x30]),
    Buffer.from([0x30, 0x81]),
  ]
  const identities = [strict, ...resembling].map((value) => identity({ value }))
  assert.equal(new Set(identities).size, identities.length)
  assert.equal(identity({ value: sequence(r, integer(8n)) }), identity({ value: strict }))
})
