import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createClaim, readClaim } from '../../src/claim/claim.ts'
import type { Digest } from '../../src/reference/digest.ts'
import { formatReference, parseReference } from '../../src/reference/reference.ts'
import { digests, references } from '../reference/arbitraries.ts'

const hex = 'c'.repeat(64)
const digest = `sha256:${hex}` as Digest

/** The pieces of a good claim as JSON texts, so that each test spoils one. */
const pieces = {
  type: '"atomic container signature"',
  image: `{"docker-manifest-digest":"${digest}"}`,
  identity: '{"docker-reference":"docker.io/library/busybox:1"}',
  critical: undefined as string | undefined,
  optional: '{"creator":"atomic 5.2","timestamp":1609459200}',
}

function write(changes: Partial<typeof pieces> = {}): Uint8Array {
  const { type, image, identity, critical, optional } = { ...pieces, ...changes }
  const inner = critical ?? `{"type":${type},"image":${image},"identity":${identity}}`
  return new TextEncoder().encode(`{"critical":${inner},"optional":${optional}}`)
}

const reference = (text: string) => write({ identity: `{"docker-reference":${JSON.stringify(text)}}` })

test('a claim as c/image writes it is read', () => {
  const claim = readClaim(write())
  assert.equal(claim.digest, digest)
  assert.deepEqual(claim.reference, { host: 'docker.io', path: 'library/busybox', tag: '1' })
  assert.equal(claim.dockerReference, 'docker.io/library/busybox:1')
  assert.equal(claim.creator, 'atomic 5.2')
  assert.equal(claim.timestamp, 1609459200)
  assert.deepEqual(claim.warnings, [])
  assert.deepEqual(Object.keys(claim.document), ['critical', 'optional'])
})

test('the reference is normalised, and kept as written beside', () => {
  const claim = readClaim(reference('busybox:1'))
  assert.equal(formatReference(claim.reference), 'docker.io/library/busybox:1')
  assert.equal(claim.dockerReference, 'busybox:1')
})

test('optional may be empty or hold keys of other programs', () => {
  const bare = readClaim(write({ optional: '{}' }))
  assert.equal('creator' in bare, false)
  assert.equal('timestamp' in bare, false)
  readClaim(write({ optional: '{"ci":{"job":[1,null]},"Creator":3,"__proto__":null}' }))
})

const timestamps = {
  '0': 0,
  '1e9': 1_000_000_000,
  '1.0': 1,
  '10e-1': 1,
  '-5': -5,
  '-9223372036854775808': -(2 ** 63),
}

for (const [text, value] of Object.entries(timestamps)) {
  test(`the timestamp ${text} is a 64-bit integer`, () => {
    assert.equal(readClaim(write({ optional: `{"timestamp":${text}}` })).timestamp, value)
  })
}

test('the timestamp -0 is 0', () => {
  assert.ok(Object.is(readClaim(write({ optional: '{"timestamp":-0}' })).timestamp, 0))
})

const refused: Record<string, Record<string, Uint8Array>> = {
  'claim-json': {
    'an empty payload': new Uint8Array(),
    'text that is no JSON': new TextEncoder().encode('hello'),
    'an array': new TextEncoder().encode('[]'),
    null: new TextEncoder().encode('null'),
    'something after the object': Buffer.concat([write(), Buffer.from('{}')]),
    'a NUL after the object': Buffer.concat([write(), Buffer.of(0)]),
    'invalid UTF-8': Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')]),
    'critical as a string': write({ critical: '"x"' }),
    'critical as null': write({ critical: 'null' }),
    'critical as an array': write({ critical: '[]' }),
    'image as an array': write({ image: '["docker-manifest-digest"]' }),
    'image as null': write({ image: 'null' }),
    'identity as a string': write({ identity: '"busybox"' }),
    'half a surrogate pair in creator': write({ optional: '{"creator":"\\ud800"}' }),
  },
  'claim-duplicate-key': {
    'critical twice': write({ optional: '{},"critical":{}' }),
    'critical twice, once escaped': write({ optional: '{},"critic\\u0061l":{}' }),
    'the digest twice': write({
      image: `{"docker-manifest-digest":"${digest}","docker-manifest-digest":"${digest}"}`,
    }),
    'creator twice': write({ optional: '{"creator":"a","creator":"b"}' }),
    'a foreign key twice deep in optional': write({ optional: '{"x":{"y":1,"y":2}}' }),
  },
  'claim-unknown-key': {
    'a third key beside critical and optional': write({ optional: '{},"x":1' }),
    'an unknown key in critical': write({
      critical: `{"type":${pieces.type},"image":${pieces.image},"identity":${pieces.identity},"x":1}`,
    }),
    'an unknown key in image': write({ image: `{"docker-manifest-digest":"${digest}","x":1}` }),
    'an unknown key in identity': write({ identity: '{"docker-reference":"busybox:1","x":1}' }),
    '__proto__ in identity': write({ identity: '{"docker-reference":"busybox:1","__proto__":1}' }),
    'a key in another case': write({ image: `{"Docker-Manifest-Digest":"${digest}"}` }),
  },
  'claim-missing-key': {
    'an empty object': new TextEncoder().encode('{}'),
    'no optional': new TextEncoder().encode('{"critical":{}}'),
    'no critical': new TextEncoder().encode('{"optional":{}}'),
    'an empty critical': write({ critical: '{}' }),
    'no type': write({ critical: `{"image":${pieces.image},"identity":${pieces.identity}}` }),
    'no image': write({ critical: `{"type":${pieces.type},"identity":${pieces.identity}}` }),
    'no identity': write({ critical: `{"type":${pieces.type},"image":${pieces.image}}` }),
    'no digest': write({ image: '{}' }),
    'no reference': write({ identity: '{}' }),
  },
  'claim-type': {
    'the type of cosign': write({ type: '"cosign container image signature"' }),
    'the type in another case': write({ type: '"Atomic container signature"' }),
    'an empty type': write({ type: '""' }),
    'type as null': write({ type: 'null' }),
    'type as an array': write({ type: '["atomic container signature"]' }),
  },
  'claim-digest': {
    'a short digest': write({ image: '{"docker-manifest-digest":"sha256:00"}' }),
    'an upper-case digest': write({ image: `{"docker-manifest-digest":"sha256:${hex.toUpperCase()}"}` }),
    'another algorithm': write({ image: `{"docker-manifest-digest":"sha1:${hex.slice(24)}"}` }),
    'an empty digest': write({ image: '{"docker-manifest-digest":""}' }),
    'digest as null': write({ image: '{"docker-manifest-digest":null}' }),
  },
  'claim-reference': {
    'an empty reference': reference(''),
    'an upper-case repository': reference('Busybox:1'),
    'an image id': reference(hex),
    'a path of 256 characters': reference(`quay.io/${'a'.repeat(256)}:1`),
    'a way up': reference('quay.io/../app:1'),
    'a line break': reference('busybox:1\n'),
    'reference as null': write({ identity: '{"docker-reference":null}' }),
    'reference as a number': write({ identity: '{"docker-reference":1}' }),
  },
  'claim-optional': {
    'optional as null': write({ optional: 'null' }),
    'optional as an array': write({ optional: '[]' }),
    'optional as a string': write({ optional: '""' }),
    'creator as null': write({ optional: '{"creator":null}' }),
    'creator as a number': write({ optional: '{"creator":1}' }),
    'timestamp as null': write({ optional: '{"timestamp":null}' }),
    'timestamp as a string': write({ optional: '{"timestamp":"1609459200"}' }),
    'a fraction of a second': write({ optional: '{"timestamp":1.5}' }),
    'a timestamp beyond 64 bits': write({ optional: '{"timestamp":1e19}' }),
    'the first integer beyond 64 bits': write({ optional: '{"timestamp":9223372036854775808}' }),
    'a timestamp before 64 bits': write({ optional: '{"timestamp":-1e19}' }),
  },
}

for (const [code, claims] of Object.entries(refused)) {
  for (const [name, payload] of Object.entries(claims)) {
    test(`${name} in a claim is refused with ${code}`, () => {
      assert.throws(() => readClaim(payload), { name: 'Refusal', code })
    })
  }
}

test('a refused reference says what to change', () => {
  assert.throws(() => readClaim(reference('quay.io/Team/app:1')), /"Team\/app" must be lower-case/)
})

test('refusals quote little of what was sent', () => {
  const long = 'x'.repeat(1_000_000)
  for (const payload of [
    write({ optional: `{},"${long}":1` }),
    write({ type: `"${long}"` }),
    write({ image: `{"docker-manifest-digest":"${long}"}` }),
    reference(long),
  ]) {
    assert.throws(
      () => readClaim(payload),
      (error: Error) => error.message.length < 400,
    )
  }
})

const warned = {
  'neither tag nor digest': ['quay.io/team/app', /neither tag nor digest/],
  'tag and digest together': [`quay.io/team/app:1@${digest}`, /both tag and digest/],
  'a host that only newer readers take for one': ['TEAM/app:1', /do not take "TEAM" for a registry host/],
  'an IPv6 host': ['[::1]:5000/app:1', /do not take "\[::1\]:5000" for a registry host/],
  'host and path of 256 characters': [`quay.io/${'a'.repeat(248)}:1`, /more than 255 characters together/],
} as const

for (const [name, [text, warning]] of Object.entries(warned)) {
  test(`${name} in a claim is accepted with a warning`, () => {
    const { warnings } = readClaim(reference(text))
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', warning)
  })
}

test('what clients understand brings no warning', () => {
  for (const text of [
    'busybox:1',
    'localhost/app:1',
    'QUAY.io/app:1',
    `quay.io/${'a'.repeat(247)}:1`,
    `a@${digest}`,
  ]) {
    assert.deepEqual(readClaim(reference(text)).warnings, [])
  }
})

const cosign = '"cosign container image signature"'

test('a sigstore payload has the type of cosign, and its optional may be null', () => {
  const claim = readClaim(write({ type: cosign, optional: 'null' }), 'sigstore')
  assert.equal(claim.digest, digest)
  assert.equal('creator' in claim, false)
  assert.equal(claim.document.optional, null)
  assert.equal(readClaim(write({ type: cosign }), 'sigstore').timestamp, 1609459200)
})

test('a sigstore payload is held to every other rule', () => {
  assert.throws(() => readClaim(write(), 'sigstore'), { code: 'claim-type' })
  assert.throws(() => readClaim(write({ type: cosign, optional: '[]' }), 'sigstore'), {
    code: 'claim-optional',
  })
  assert.throws(() => readClaim(write({ type: cosign, image: '{}' }), 'sigstore'), {
    code: 'claim-missing-key',
  })
  assert.throws(() => readClaim(new TextEncoder().encode(`{"critical":{"type":${cosign}}}`), 'sigstore'), {
    code: 'claim-missing-key',
  })
})

test('a created claim is what c/image would write', () => {
  const payload = createClaim({
    reference: parseReference('busybox:1'),
    digest,
    creator: 'lookaside 1 <&> \u2028',
    timestamp: 1609459200,
  })
  assert.equal(
    new TextDecoder().decode(payload),
    `{"critical":{"identity":{"docker-reference":"docker.io/library/busybox:1"},"image":{"docker-manifest-digest":"${digest}"},"type":"atomic container signature"},"optional":{"creator":"lookaside 1 \\u003c\\u0026\\u003e \\u2028","timestamp":1609459200}}`,
  )
})

test('a created claim is read as it was meant', () => {
  fc.assert(
    fc.property(
      references,
      digests,
      fc.string({ unit: 'binary' }),
      fc.maxSafeInteger(),
      (image, of, creator, timestamp) => {
        const claim = readClaim(createClaim({ reference: image, digest: of, creator, timestamp }))
        assert.deepEqual(claim.reference, image)
        assert.equal(claim.dockerReference, formatReference(image))
        assert.equal(claim.digest, of)
        assert.equal(claim.creator, creator)
        assert.equal(claim.timestamp, timestamp + 0)
      },
    ),
  )
})

test('no claim is created that readers would refuse', () => {
  const facts = { reference: parseReference('busybox:1'), digest, creator: 'x', timestamp: 1 }
  assert.throws(() => createClaim({ ...facts, timestamp: 1.5 }), { code: 'claim-optional' })
  assert.throws(() => createClaim({ ...facts, timestamp: Number.NaN }), { code: 'claim-optional' })
  assert.throws(() => createClaim({ ...facts, creator: '\ud800' }), { code: 'claim-json' })
})

test('a claim with one byte changed is refused or still the claim it says', () => {
  const original = write()
  fc.assert(
    fc.property(fc.nat(original.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const changed = Uint8Array.from(original)
      changed[at] = byte
      try {
        const claim = readClaim(changed)
        const { identity, image } = JSON.parse(new TextDecoder().decode(changed)).critical
        assert.equal(claim.dockerReference, identity['docker-reference'])
        assert.equal(claim.digest, image['docker-manifest-digest'])
      } catch (error) {
        assert.match(String((error as { code?: unknown }).code), /^claim-/)
      }
    }),
    { numRuns: 5000 },
  )
})
