import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { evaluateImage, evaluatePolicy } from '../../src/policy/evaluate-image.ts'
import type { Threshold } from '../../src/policy/gate.ts'
import { readPolicy } from '../../src/policy/policy.ts'
import { trustIn } from '../../src/policy/trust.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { readSignature } from '../../src/signature/signature.ts'
import {
  audit,
  build,
  digest,
  image,
  policyOf,
  release,
  signatureBy,
  signedAt,
} from '../library/signed-image.ts'

const files = new Map([
  ['build.gpg', build.keyring],
  ['audit.gpg', audit.keyring],
  ['release.gpg', release.keyring],
  ['all.gpg', Buffer.concat([build, audit, release].map(({ keyring }) => keyring))],
  ['broken.gpg', Buffer.from('no keyring')],
])

const readKeys = (path: string): Uint8Array => {
  const file = files.get(path)
  if (!file) throw new Error('no such file')
  return file
}

const signatures = [build, audit].map((signer) => readSignature(signatureBy(signer)))
const ask = (keyrings: string[], more = {}) =>
  evaluatePolicy({ policy: readPolicy(policyOf(...keyrings)), readKeys, image, digest, signatures, ...more })

const twoOf: Threshold = {
  type: 'threshold',
  place: 'two of them',
  atLeast: 2,
  keys: { paths: ['all.gpg'] },
  signedIdentity: { type: 'matchRepoDigestOrExact' },
}

suite('an image', () => {
  test('passes where each key that must has signed, and the report says which signature by its position', async () => {
    const report = await ask(['build.gpg', 'audit.gpg'])
    assert.ok(report.passed)
    assert.deepEqual(
      report.requirements.map(({ met, by }) => [met, by[0]?.slot, by[0]?.userId, by[0]?.created]),
      [build, audit].map(({ userId }, index) => [
        true,
        index + 1,
        userId,
        new Date(signedAt * 1000).toISOString(),
      ]),
    )
  })

  test('fails where one has not, and the report says whose signature is missing', async () => {
    const { passed, requirements } = await ask(['build.gpg', 'release.gpg'])
    assert.ok(!passed)
    assert.partialDeepStrictEqual(requirements[1], {
      met: false,
      reason: 'none-accepted',
      wanted: [{ fingerprint: release.key.fingerprint, userId: release.userId }],
    })
  })

  test('may be named in a text, and by tag and digest together', async () => {
    for (const named of [image, `${image}@${digest}`, parseReference(image)])
      assert.deepEqual((await ask(['build.gpg'], { image: named })).image, image)
    const byDigest = await ask(['build.gpg'], { image: `registry.example.com/team/app@${digest}` })
    assert.deepEqual([byDigest.passed, byDigest.image], [true, `registry.example.com/team/app@${digest}`])
  })

  test('that is another one does not pass by these signatures', async () => {
    const other = `sha256:${'0'.repeat(64)}`
    assert.ok(!(await ask(['build.gpg'], { image: 'registry.example.com/team/app:2.0' })).passed)
    assert.ok(!(await ask(['build.gpg'], { digest: other })).passed)
    await assert.rejects(ask(['build.gpg'], { image: `${image}@${other}` }), { code: 'digest-mismatch' })
  })

  test('is refused where its name or digest is none', async () => {
    await assert.rejects(ask(['build.gpg'], { image: 'registry.example.com/Team/App' }), {
      code: 'bad-reference',
    })
    await assert.rejects(ask(['build.gpg'], { digest: digest.toUpperCase() }), { code: 'bad-digest' })
    await assert.rejects(ask(['build.gpg'], { now: new Date('soon') }), RangeError)
  })
})

suite('beside the policy', () => {
  test('so many of some keys can be asked for', async () => {
    const thresholds = [twoOf]
    assert.ok((await ask(['build.gpg'], { thresholds })).passed)
    const one = await ask(['build.gpg'], { thresholds, signatures: signatures.slice(0, 1) })
    assert.partialDeepStrictEqual(one, { passed: false, requirements: [{ met: true }, { atLeast: 2 }] })
    assert.deepEqual(
      one.requirements[1]?.wanted?.map(({ userId }) => userId),
      [audit.userId, release.userId],
    )
  })

  test('signatures can be asked to be young', async () => {
    const now = (signedAt + 100) * 1000
    assert.ok((await ask(['build.gpg'], { maxAge: 100, now })).passed)
    const late = await ask(['build.gpg'], { maxAge: 99, now: new Date(now) })
    assert.deepEqual(late.requirements[0]?.tried[0]?.reasons, ['age'])
  })
})

suite('keyrings', () => {
  test('that cannot be read or used are told by the path or the place that names them', async () => {
    await assert.rejects(ask(['missing.gpg']), {
      code: 'keyring',
      message: /^missing\.gpg cannot be read: no such/,
    })
    await assert.rejects(ask(['broken.gpg']), {
      code: 'keyring',
      message: /^transports\.docker.*\[0\] \(broken\.gpg\): The keyr/,
    })
    const policy = readPolicy(policyOf('build.gpg'))
    await assert.rejects(evaluatePolicy({ policy, image, digest, signatures }), { code: 'keyring' })
  })

  test('of other images are not read; those of a trust are read once, however often it is asked', async () => {
    const read: string[] = []
    const policy = readPolicy(policyOf('build.gpg', 'release.gpg'))
    const trust = trustIn(policy, async (path) => {
      read.push(path)
      return readKeys(path)
    })
    assert.deepEqual(trust.paths, ['build.gpg', 'release.gpg'])
    await evaluateImage(trust, { image: 'docker.io/library/busybox:1', digest, signatures })
    assert.deepEqual(read, [])
    for (const asked of [image, image]) await evaluateImage(trust, { image: asked, digest, signatures })
    assert.deepEqual(read, ['build.gpg', 'release.gpg'])
  })
})
