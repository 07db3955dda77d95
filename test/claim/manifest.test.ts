import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasDigest, maxChildren, maxManifestBytes, readManifest } from '../../src/claim/manifest.ts'
import type { Digest } from '../../src/reference/digest.ts'
import {
  attestation,
  digestOf,
  dockerList,
  entryOf,
  imageManifest,
  indexOf,
  json,
  ociIndex,
} from '../manifests/layout.ts'
import { refusal } from '../manifests/refusals.ts'

const one = imageManifest('one')
const entry = entryOf(one, 'linux/amd64')

const refuses = (bytes: Uint8Array, reason: RegExp) =>
  assert.throws(() => readManifest(bytes), refusal('manifest', reason))

test('a manifest of one image is no index, whichever way it says so', () => {
  const docker = 'application/vnd.docker.distribution.manifest.v2+json'
  for (const bytes of [
    one,
    json({ schemaVersion: 2, mediaType: docker }),
    json({ schemaVersion: 2, layers: [] }),
  ])
    assert.deepEqual(readManifest(bytes), { isIndex: false })
})

test('an index names its children with platform and media type', () => {
  const arm = { ...entryOf(imageManifest('arm'), 'linux/arm64/v8'), annotations: { a: 'b' } }
  const nested = { mediaType: dockerList, digest: digestOf('nested') }
  for (const head of [{ mediaType: ociIndex }, { mediaType: dockerList }, { mediaType: undefined }])
    assert.deepEqual(readManifest(indexOf([entry, arm, nested], head)), {
      isIndex: true,
      children: [
        child({ digest: entry.digest, platform: 'linux/amd64' }),
        child({ digest: arm.digest, platform: 'linux/arm64/v8' }),
        child({ digest: nested.digest, mediaType: dockerList, isIndex: true }),
      ],
    })
})

function child(told: Record<string, unknown>) {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  return { mediaType, isIndex: false, platform: null, isAttestation: false, name: null, ...told }
}

test('only what no client would run passes for an attestation', () => {
  const cases: [platform: string, more: object, isAttestation: boolean][] = [
    ['unknown/unknown', attestation, true],
    ['linux/amd64', attestation, false],
    ['unknown/unknown', {}, false],
    ['unknown/unknown', { annotations: { 'vnd.docker.reference.type': 'other' } }, false],
  ]
  for (const [platform, more, isAttestation] of cases) {
    const manifest = readManifest(indexOf([{ ...entryOf(one, platform), ...more }]))
    assert.deepEqual(manifest.isIndex && manifest.children.map((child) => child.isAttestation), [
      isAttestation,
    ])
  }
})

test('what clients could take for the other kind is refused', () => {
  for (const key of ['config', 'layers', 'fsLayers', 'history', 'signatures'])
    refuses(indexOf([entry], { [key]: [] }), new RegExp(`an index, and has ${key}`))
  const image = JSON.parse(one.toString())
  for (const key of ['manifests', 'fsLayers', 'history', 'signatures'])
    refuses(json({ ...image, [key]: [] }), new RegExp(`of one image, and has ${key}`))
})

test('what two readers could read differently is refused', () => {
  refuses(Buffer.from('{"schemaVersion":2,"manifests":[],"manifests":[]}'), /stands twice/)
  for (const key of ['Manifests', 'MANIFESTS', 'manifeſts', 'mediatype', 'Config'])
    refuses(indexOf([entry], { [key]: null }), /which clients take for/)
  for (const key of ['Digest', 'PLATFORM', 'annotationſ'])
    refuses(indexOf([{ ...entry, [key]: entry.digest }]), /which clients take for/)
  refuses(
    indexOf([{ ...entry, platform: { os: 'linux', architecture: 'amd64', OS: 'x' } }]),
    /which clients take/,
  )
})

test('what is no manifest is refused', () => {
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from(''), /not well formed/],
    [Buffer.from('<html>'), /not well formed/],
    [Buffer.concat([one, one]), /something follows/],
    [Buffer.from([0xff]), /UTF-8/],
    [json([]), /it is no object/],
    [json(null), /it is no object/],
    [json({}), /no schemaVersion 2/],
    [json({ schemaVersion: '2' }), /no schemaVersion 2/],
    [json({ schemaVersion: 1, signatures: [] }), /schema 1/],
    [Buffer.from(`${'['.repeat(200_000)}`), /nests deeper/],
    [Buffer.alloc(maxManifestBytes + 1, ' '), /larger than/],
    [indexOf(undefined), /without a list/],
    [indexOf({ 0: entry }), /without a list/],
    [indexOf('x'), /without a list/],
  ]
  for (const [bytes, reason] of cases) refuses(bytes, reason)
})

test('an entry that clients could not use is refused, with its place', () => {
  const cases: [unknown, RegExp][] = [
    [null, /manifests\[1\] is no object/],
    ['x', /manifests\[1\] is no object/],
    [{ ...entry, digest: undefined }, /manifests\[1\] has no digest/],
    [{ ...entry, digest: 7 }, /no digest/],
    [{ ...entry, digest: 'sha256:../../../etc/passwd' }, /no digest/],
    [{ ...entry, digest: entry.digest.toUpperCase() }, /no digest/],
    [{ ...entry, digest: `md5:${'0'.repeat(32)}` }, /no digest/],
    [{ ...entry, mediaType: undefined }, /no mediaType/],
    [{ ...entry, mediaType: {} }, /no mediaType/],
    [{ ...entry, platform: 'linux/amd64' }, /manifests\[1\].platform is no object/],
    [{ ...entry, platform: { os: 'linux' } }, /needs os and architecture/],
    [{ ...entry, platform: { os: 'linux', architecture: 'arm', variant: 7 } }, /needs os and architecture/],
    [{ ...entry, annotations: [] }, /annotations is no object/],
  ]
  for (const [odd, reason] of cases) refuses(indexOf([entry, odd]), reason)
})

test('an index has a thousand entries at most', () => {
  const many = Array.from({ length: maxChildren }, (_, index) => ({ ...entry, digest: digestOf(`${index}`) }))
  const manifest = readManifest(indexOf(many))
  assert.equal(manifest.isIndex && manifest.children.length, maxChildren)
  refuses(indexOf([...many, entry]), /lists 1001 manifests/)
  refuses(indexOf(Array.from({ length: 10_000 }, () => ({}))), /lists 10000 manifests/)
})

test('bytes are compared with a digest by its own algorithm', () => {
  assert.ok(
    hasDigest(
      Buffer.from(''),
      `sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e` as Digest,
    ),
  )
  assert.ok(hasDigest(one, digestOf(one)))
  assert.ok(!hasDigest(Buffer.concat([one, Buffer.from(' ')]), digestOf(one)))
})
