import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readClaim } from '../../src/claim/claim.ts'
import type { VerdictName } from '../../src/openpgp/verdict.ts'
import type { Candidate, Verdict } from '../../src/policy/evaluate.ts'
import { evaluateGate, type GateRules, type KeyedRequirement, type Threshold } from '../../src/policy/gate.ts'
import { reportOf } from '../../src/policy/report.ts'
import { defaultSignedIdentity } from '../../src/policy/signed-identity.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { claimOf, exampleDigest, exampleReference } from '../signing.ts'
import { parseRequirements, signedBy } from './documents.ts'

interface TestCandidate extends Candidate {
  slot: number
  signer: null
  by: string
  status: VerdictName
  created: number
}

const now = 1_800_000_000
let slots = 0

function candidate(
  by: string,
  { status = 'valid' as VerdictName, created = now, reference = exampleReference } = {},
): TestCandidate {
  const claim = readClaim(Buffer.from(claimOf({ reference })))
  return { slot: ++slots, by, status, created, format: 'simple-signing', claim, signer: null }
}

const question = { image: parseReference(exampleReference), digest: exampleDigest() }

const team = ['alice', 'bob', 'carol']

/** Each of the team is in `/keys/team.gpg`, and alone in a file of the own name. */
function keysIn({ keys }: KeyedRequirement): string[] {
  const files = 'paths' in keys ? keys.paths : []
  return team.filter((name) => files.includes(`/keys/${name}.gpg`) || files.includes('/keys/team.gpg'))
}

function verify({ by, status, created }: TestCandidate, requirement: KeyedRequirement): Verdict {
  const isKnown = keysIn(requirement).includes(by)
  const fingerprint = isKnown ? by.toUpperCase() : null
  return {
    status: isKnown ? status : 'unknown-key',
    fingerprint,
    primaryFingerprint: fingerprint,
    userId: isKnown ? by : null,
    created,
  }
}

function threshold(atLeast: number, ...paths: string[]): Threshold {
  const keys = { paths: paths.length ? paths : ['/keys/team.gpg'] }
  return {
    type: 'threshold',
    place: 'gates.test.keys[0]',
    atLeast,
    keys,
    signedIdentity: defaultSignedIdentity,
  }
}

const open = [{ type: 'insecureAcceptAnything' }]

const ask = (candidates: TestCandidate[], rules: Partial<GateRules>, requirements: object[] = open) =>
  evaluateGate(
    parseRequirements(...requirements),
    { thresholds: [], maxAge: null, index: 'ignored', ...rules },
    question,
    candidates,
    verify,
    now,
  )

suite('a threshold', () => {
  test('is met by so many different keys, and told by which', async () => {
    const { passed, outcomes } = await ask([candidate('alice'), candidate('dave'), candidate('carol')], {
      thresholds: [threshold(2)],
    })
    assert.equal(passed, true)
    assert.deepEqual(
      outcomes.at(-1)?.by.map(({ verdict }) => verdict.userId),
      ['alice', 'carol'],
    )
  })

  test('counts each key once, however often it has signed', async () => {
    const { passed, outcomes } = await ask([candidate('alice'), candidate('alice'), candidate('alice')], {
      thresholds: [threshold(2)],
    })
    assert.equal(passed, false)
    assert.equal(outcomes.at(-1)?.unmet, 'too-few-keys')
    assert.equal(outcomes.at(-1)?.by.length, 1)
  })

  for (const [what, other] of Object.entries({
    'of a key that is revoked': candidate('bob', { status: 'revoked' }),
    'that names another image': candidate('bob', { reference: 'registry.example.com/team/app:2.0' }),
    'of nobody who was asked': candidate('mallory'),
  }))
    test(`does not count a signature ${what}`, async () => {
      const { passed } = await ask([candidate('alice'), other], { thresholds: [threshold(2)] })
      assert.equal(passed, false)
    })

  test('is asked beside the policy, and beside other thresholds', async () => {
    const needs = { thresholds: [threshold(1, '/keys/bob.gpg'), threshold(1, '/keys/carol.gpg')] }
    const alice = [{ ...signedBy, keyPath: '/keys/alice.gpg' }]
    const each = team.map((name) => candidate(name))
    assert.equal((await ask(each, needs, alice)).passed, true)
    for (const missing of team) {
      const others = each.filter(({ by }) => by !== missing)
      const { passed, outcomes } = await ask(others, needs, alice)
      assert.equal(passed, false)
      assert.equal(outcomes.filter(({ unmet }) => unmet !== null).length, 1)
    }
  })

  for (const atLeast of [0, -1, Number.NaN])
    test(`of ${atLeast} keys is refused: it would let every image pass`, async () => {
      await assert.rejects(ask([candidate('alice')], { thresholds: [threshold(atLeast)] }), {
        code: 'policy',
      })
    })
})

test('what is older than the gate allows counts neither for the policy nor for a threshold', async () => {
  const rules = { maxAge: 3600, thresholds: [threshold(1)] }
  const alice = [{ ...signedBy, keyPath: '/keys/alice.gpg' }]
  const { passed, outcomes } = await ask([candidate('alice', { created: now - 3601 })], rules, alice)
  assert.equal(passed, false)
  assert.deepEqual(
    outcomes.map(({ unmet, tried }) => [unmet, tried[0]?.reasons]),
    [
      ['none-accepted', ['age']],
      ['none-accepted', ['age']],
    ],
  )
  assert.equal((await ask([candidate('alice', { created: now - 3600 })], rules, alice)).passed, true)
})

test('a report names the keys whose signatures would help, and not those that have signed', async () => {
  const evaluation = await ask([candidate('alice'), candidate('mallory')], { thresholds: [threshold(3)] })
  const asked = { ...question, scope: 'default', signatures: 2 }
  const report = await reportOf(asked, evaluation, async (requirement) =>
    keysIn(requirement).map((userId) => ({ fingerprint: userId.toUpperCase(), userId })),
  )
  assert.equal(report.passed, false)
  const [policy, quorum] = report.requirements
  assert.deepEqual([policy?.met, policy?.wanted], [true, undefined])
  assert.deepEqual(
    [quorum?.reason, quorum?.atLeast, quorum?.by.map(({ userId }) => userId)],
    ['too-few-keys', 3, ['alice']],
  )
  assert.deepEqual(
    quorum?.wanted?.map(({ userId }) => userId),
    ['bob', 'carol'],
  )
  assert.deepEqual(
    quorum?.tried.map(({ verdict, reasons }) => [verdict, reasons]),
    [['unknown-key', ['verdict']]],
  )
})
