import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readClaim } from '../../src/claim/claim.ts'
import type { VerdictName } from '../../src/openpgp/verdict.ts'
import { admits, namesFor } from '../../src/policy/admits.ts'
import type { Verdict } from '../../src/policy/evaluate.ts'
import { formatReference, parseReference } from '../../src/reference/reference.ts'
import { claimOf, exampleDigest, exampleReference } from '../signing.ts'
import { anything, parseRequirements, reject, signedBy, sigstore } from './documents.ts'

const upload = { format: 'simple-signing' as const, claim: readClaim(Buffer.from(claimOf())) }
const image = parseReference(exampleReference)
const bySomebody = { ...signedBy, keyPath: '/keys/somebody.gpg' }

/** A signature that the keys of `/keys/alice.gpg` find to be of this status. */
const verifyAs =
  (status: VerdictName) =>
  (_: unknown, { keys }: { keys: object }): Verdict => {
    const isKnown = 'paths' in keys && (keys.paths as string[]).includes(signedBy.keyPath)
    const fingerprint = isKnown ? 'ALICE' : null
    return {
      status: isKnown ? status : 'unknown-key',
      fingerprint,
      primaryFingerprint: fingerprint,
      userId: null,
      created: 0,
    }
  }

const ask = (requirements: object[], { status = 'valid' as VerdictName, named = image } = {}) =>
  admits(parseRequirements(...requirements), named, upload, verifyAs(status))

suite('a signature is admitted', () => {
  test('where anything is accepted, though nobody vouches for it', async () => {
    const admission = await ask([signedBy, anything], { status: 'bad' })
    assert.partialDeepStrictEqual(admission, { admitted: true, requirement: anything, verdict: null })
  })

  test('by any one requirement of several, with its verdict', async () => {
    const admission = await ask([bySomebody, sigstore, signedBy])
    assert.partialDeepStrictEqual(admission, {
      admitted: true,
      requirement: { place: 'default[2]' },
      verdict: { fingerprint: 'ALICE' },
    })
  })
})

suite('a signature is not admitted', () => {
  test('where images are rejected, whatever else would accept it', async () => {
    for (const requirements of [[reject], [signedBy, reject], [anything, reject]])
      assert.deepEqual(await ask(requirements), { admitted: false, reason: 'closed', tried: [] })
  })

  test('where only sigstore or other keys than GPGKeys are asked for', async () => {
    const unsupported = [sigstore, { ...signedBy, keyType: 'X509Certificates' }]
    assert.deepEqual(await ask(unsupported), { admitted: false, reason: 'none-accepts', tried: [] })
  })

  test('where no key vouches for it; each that was asked says why', async () => {
    const admission = await ask([bySomebody, signedBy], { status: 'revoked' })
    assert.ok(!admission.admitted)
    assert.deepEqual(
      admission.tried.map(({ requirement, verdict, reasons }) => [
        requirement.place,
        verdict?.status,
        reasons,
      ]),
      [
        ['default[0]', 'unknown-key', ['verdict']],
        ['default[1]', 'revoked', ['verdict']],
      ],
    )
  })

  test('where its claim is of another image', async () => {
    const admission = await ask([signedBy], { named: parseReference('registry.example.com/prod/app:1.0') })
    assert.partialDeepStrictEqual(admission, { admitted: false, tried: [{ reasons: ['identity'] }] })
  })
})

test('an empty list of requirements is an error', async () => {
  await assert.rejects(admits([], image, upload, verifyAs('valid')), { code: 'policy' })
})

test('an image is asked for by the digest of the claim and by its tag, under the name it is kept for', () => {
  const kept = parseReference('mirror.example.com/team/app')
  const names = (reference: string) =>
    namesFor(readClaim(Buffer.from(claimOf({ reference }))), kept).map(formatReference)
  const byDigest = `mirror.example.com/team/app@${exampleDigest()}`
  assert.deepEqual(names('quay.io/team/app:1'), ['mirror.example.com/team/app:1', byDigest])
  assert.deepEqual(names(`quay.io/team/app:1@${exampleDigest()}`), [
    'mirror.example.com/team/app:1',
    byDigest,
  ])
  assert.deepEqual(names('quay.io/team/app'), [byDigest])
})

test('a claim of a mirrored image is admitted under the name of the mirror', async () => {
  const rule = { type: 'remapIdentity', prefix: 'mirror.example.com', signedPrefix: 'registry.example.com' }
  const requirement = { ...signedBy, signedIdentity: rule }
  for (const named of namesFor(upload.claim, { ...image, host: 'mirror.example.com' }))
    assert.equal((await ask([requirement], { named })).admitted, true)
})
