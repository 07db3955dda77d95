import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { readClaim } from '../../src/claim/claim.ts'
import type { VerdictName } from '../../src/openpgp/verdict.ts'
import { type Candidate, evaluate, type Verdict } from '../../src/policy/evaluate.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { claimOf, exampleDigest, exampleReference } from '../signing.ts'
import { anything, parseRequirements, reject, signedBy, sigstore } from './documents.ts'

interface TestCandidate extends Candidate {
  slot: number
  /** The key that made it. */
  by: string
  status: VerdictName
}

function candidate({
  slot = 1,
  by = 'alice',
  status = 'valid' as VerdictName,
  format = 'simple-signing' as Candidate['format'],
  reference = exampleReference,
  digest = exampleDigest() as string,
} = {}): TestCandidate {
  return { slot, by, status, format, claim: readClaim(Buffer.from(claimOf({ reference, digest }))) }
}

const question = { image: parseReference(exampleReference), digest: exampleDigest() }

/** The keyring of `/keys/alice.gpg` knows the key of alice. */
function verify({ by, status }: TestCandidate, { keys }: { keys: object }): Verdict {
  const isKnown = 'paths' in keys && (keys.paths as string[]).includes(`/keys/${by}.gpg`)
  return {
    status: isKnown ? status : 'unknown-key',
    fingerprint: isKnown ? by.toUpperCase() : null,
    primaryFingerprint: isKnown ? by.toUpperCase() : null,
    userId: isKnown ? by : null,
    created: 0,
  }
}

const by = (name: string) => ({ ...signedBy, keyPath: `/keys/${name}.gpg` })

const ask = (requirements: object[], candidates: TestCandidate[], asked = question) =>
  evaluate(parseRequirements(...requirements), asked, candidates, verify)

suite('one requirement', () => {
  test('insecureAcceptAnything is met without signatures, and by none', async () => {
    const { passed, outcomes } = await ask([anything], [candidate()])
    assert.equal(passed, true)
    assert.partialDeepStrictEqual(outcomes, [{ unmet: null, by: [], tried: [] }])
  })

  test('reject is not met, whatever signatures there are', async () => {
    const { passed, outcomes } = await ask([reject], [candidate()])
    assert.equal(passed, false)
    assert.partialDeepStrictEqual(outcomes, [{ unmet: 'rejected' }])
  })

  const unsupported = {
    sigstoreSigned: sigstore,
    signedBaseLayer: { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchRepository' } },
    'signedBy of other keys than GPGKeys': { ...signedBy, keyType: 'signedByGPGKeys' },
  }
  for (const [name, requirement] of Object.entries(unsupported))
    test(`${name} is not supported, never passed`, async () => {
      for (const candidates of [[], [candidate()], [candidate({ format: 'sigstore-json' })]]) {
        const { passed, outcomes } = await ask([requirement], candidates)
        assert.equal(passed, false)
        assert.partialDeepStrictEqual(outcomes, [{ unmet: 'not-supported', tried: [] }])
      }
    })

  test('signedBy is met by the first signature that counts; those before it say why they do not', async () => {
    const candidates = [
      candidate({ slot: 1, by: 'bob' }),
      candidate({ slot: 2, format: 'sigstore-json' }),
      candidate({ slot: 3, reference: 'registry.example.com/team/app:2.0' }),
      candidate({ slot: 4, digest: exampleDigest('b') }),
      candidate({ slot: 5, status: 'revoked', digest: exampleDigest('b'), reference: 'busybox' }),
      candidate({ slot: 6 }),
      candidate({ slot: 7 }),
    ]
    const { passed, outcomes } = await ask([signedBy], candidates)
    assert.equal(passed, true)
    const [outcome] = outcomes
    assert.ok(outcome)
    assert.deepEqual(
      outcome.by.map(({ candidate: { slot }, verdict: { userId } }) => [slot, userId]),
      [[6, 'alice']],
    )
    assert.deepEqual(
      outcome.tried.map(({ candidate: { slot }, verdict, reasons }) => [slot, verdict?.status, reasons]),
      [
        [1, 'unknown-key', ['verdict']],
        [2, undefined, ['format']],
        [3, 'valid', ['identity']],
        [4, 'valid', ['digest']],
        [5, 'revoked', ['verdict', 'digest', 'identity']],
      ],
    )
  })

  test('signedBy without signatures says that there are none', async () => {
    assert.partialDeepStrictEqual(await ask([signedBy], []), {
      passed: false,
      outcomes: [{ unmet: 'no-signature', tried: [] }],
    })
  })

  const statuses: VerdictName[] = [
    ...(['unknown-key', 'bad', 'expired', 'key-expired', 'revoked'] as const),
    ...(['not-signing-key', 'weak', 'unsupported'] as const),
  ]
  for (const status of statuses)
    test(`signedBy is not met by a signature that is ${status}`, async () => {
      assert.partialDeepStrictEqual(await ask([signedBy], [candidate({ status })]), {
        passed: false,
        outcomes: [{ unmet: 'none-accepted', tried: [{ reasons: ['verdict'] }] }],
      })
    })

  test('signedBy is met for an image asked for by digest by a claim of any of its tags', async () => {
    const image = parseReference(`registry.example.com/team/app@${exampleDigest()}`)
    const other = candidate({ reference: 'registry.example.com/team/app:2.0' })
    assert.equal((await ask([signedBy], [other], { ...question, image })).passed, true)
    assert.equal((await ask([signedBy], [other])).passed, false)
  })
})

suite('several requirements', () => {
  const three = [by('alice'), by('bob'), by('carol')]

  test('of three keys fail with two signers, and name the third', async () => {
    const { passed, outcomes } = await ask(three, [candidate(), candidate({ by: 'bob' })])
    assert.equal(passed, false)
    assert.deepEqual(
      outcomes.map(({ unmet, requirement }) => [requirement.place, unmet === null]),
      [
        ['default[0]', true],
        ['default[1]', true],
        ['default[2]', false],
      ],
    )
  })

  test('of three keys pass with three signers, in any order', async () => {
    const candidates = ['carol', 'alice', 'bob'].map((name) => candidate({ by: name }))
    assert.equal((await ask(three, candidates)).passed, true)
  })

  test('may be met by one signature', async () => {
    const both = { ...signedBy, keyPath: undefined, keyPaths: ['/keys/alice.gpg', '/keys/bob.gpg'] }
    assert.equal((await ask([signedBy, both], [candidate()])).passed, true)
  })

  test('are all answered where the first is not met', async () => {
    const { passed, outcomes } = await ask([reject, signedBy, sigstore, anything], [candidate()])
    assert.equal(passed, false)
    assert.deepEqual(
      outcomes.map(({ unmet }) => unmet === null),
      [false, true, false, true],
    )
  })
})

test('an empty list of requirements is an error, not a pass', async () => {
  await assert.rejects(evaluate([], question, [candidate()], verify), { code: 'policy' })
})

test('an image that is asked for by another digest than its manifest has is an error', async () => {
  const image = parseReference(`registry.example.com/team/app@${exampleDigest('b')}`)
  await assert.rejects(ask([anything], [], { ...question, image }), { code: 'digest-mismatch' })
})

test('a failure of verification is not an answer', async () => {
  const failing = () => Promise.reject(new Error('no keyring'))
  const requirements = parseRequirements(anything, signedBy)
  await assert.rejects(evaluate(requirements, question, [candidate()], failing), /no keyring/)
})

const candidates = fc.array(
  fc
    .record({
      by: fc.constantFrom('alice', 'bob', 'carol'),
      status: fc.constantFrom<VerdictName>('valid', 'valid', 'bad', 'expired'),
      format: fc.constantFrom<Candidate['format']>('simple-signing', 'simple-signing', 'sigstore-json'),
      digest: fc.constantFrom(exampleDigest() as string, exampleDigest('b') as string),
      reference: fc.constantFrom(exampleReference, exampleReference, 'registry.example.com/team/app:2.0'),
    })
    .map(candidate),
  { maxLength: 5 },
)
const requirementLists = fc.array(
  fc.constantFrom<object>(by('alice'), by('bob'), by('carol'), anything, reject, sigstore),
  { minLength: 1, maxLength: 3 },
)

test('more signatures never make an image fail, and more requirements never make it pass', async () => {
  await fc.assert(
    fc.asyncProperty(
      requirementLists,
      requirementLists,
      candidates,
      candidates,
      async (some, more, few, many) => {
        const before = (await ask(some, few)).passed
        assert.ok(!before || (await ask(some, [...many, ...few])).passed)
        assert.ok(before || !(await ask([...some, ...more], few)).passed)
      },
    ),
  )
})

test('an image passes if each requirement by itself does, in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(requirementLists, candidates, async (requirements, found) => {
      const each = await Promise.all(requirements.map((requirement) => ask([requirement], found)))
      const { passed } = await ask(requirements, found)
      assert.equal(
        passed,
        each.every((one) => one.passed),
      )
      assert.equal((await ask(requirements.toReversed(), found.toReversed())).passed, passed)
    }),
  )
})
