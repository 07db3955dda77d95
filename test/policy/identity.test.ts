import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { satisfies } from '../../src/policy/identity.ts'
import { formatReference, type ImageReference, parseReference } from '../../src/reference/reference.ts'
import { references } from '../reference/arbitraries.ts'
import { parseIdentity } from './documents.ts'

const digest = `sha256:${'a'.repeat(64)}`
const other = `sha256:${'b'.repeat(64)}`
const app = 'quay.io/team/app'

const matchExact = { type: 'matchExact' }
const matchRepoDigestOrExact = { type: 'matchRepoDigestOrExact' }
const matchRepository = { type: 'matchRepository' }
const remap = (prefix: string, signedPrefix: string) => ({ type: 'remapIdentity', prefix, signedPrefix })

/** By rule, how the image is asked for and what the claim names: whether it counts. */
const cases: [rule: object, image: string, signed: string, counts: boolean][] = [
  [matchExact, `${app}:1`, `${app}:1`, true],
  [matchExact, `${app}:1`, `${app}:2`, false],
  [matchExact, `${app}:1`, app, false],
  [matchExact, app, app, false],
  [matchExact, `${app}@${digest}`, `${app}@${digest}`, true],
  [matchExact, `${app}@${digest}`, `${app}:1`, false],
  [matchExact, `${app}:1@${digest}`, `${app}:1@${digest}`, true],
  [matchExact, `${app}:1@${digest}`, `${app}@${digest}`, false],
  [matchExact, 'busybox:1', 'docker.io/library/busybox:1', true],

  [matchRepoDigestOrExact, `${app}:1`, `${app}:1`, true],
  [matchRepoDigestOrExact, `${app}:1`, `${app}:2`, false],
  [matchRepoDigestOrExact, `${app}:1`, `${app}@${digest}`, false],
  [matchRepoDigestOrExact, `${app}:1`, app, false],
  [matchRepoDigestOrExact, `${app}@${digest}`, `${app}:2`, true],
  [matchRepoDigestOrExact, `${app}@${digest}`, `${app}@${other}`, true],
  [matchRepoDigestOrExact, `${app}@${digest}`, app, false],
  [matchRepoDigestOrExact, `${app}@${digest}`, 'quay.io/team/app2:1', false],
  [matchRepoDigestOrExact, `${app}:1@${digest}`, `${app}:1`, false],
  [matchRepoDigestOrExact, `${app}:1@${digest}`, `${app}:1@${digest}`, true],
  [matchRepoDigestOrExact, app, `${app}:1`, false],

  [matchRepository, `${app}:1`, app, true],
  [matchRepository, app, `${app}@${digest}`, true],
  [matchRepository, `${app}:1`, 'quay.io/team/app/sub:1', false],
  [matchRepository, `${app}:1`, 'registry.example.com/team/app:1', false],

  [{ type: 'exactReference', dockerReference: 'busybox:1' }, `${app}:1`, 'docker.io/library/busybox:1', true],
  [{ type: 'exactReference', dockerReference: `${app}:1` }, `${app}:2`, `${app}:2`, false],
  [{ type: 'exactReference', dockerReference: `${app}:1` }, `${app}:1`, app, false],
  [{ type: 'exactRepository', dockerRepository: `${app}:1` }, 'busybox', `${app}:2`, true],
  [{ type: 'exactRepository', dockerRepository: app }, 'busybox', app, true],
  [{ type: 'exactRepository', dockerRepository: app }, `${app}:1`, 'busybox:1', false],

  [remap('mirror.local:5000', 'quay.io'), 'mirror.local:5000/team/app:1', `${app}:1`, true],
  [remap('mirror.local:5000', 'quay.io'), 'mirror.local:5000/team/app:1', `${app}:2`, false],
  [remap('mirror.local:5000', 'quay.io'), `mirror.local:5000/team/app@${digest}`, `${app}:2`, true],
  [
    remap('mirror.local:5000', 'quay.io'),
    'mirror.local:5000/team/app:1',
    'mirror.local:5000/team/app:1',
    false,
  ],
  [remap('mirror.local/app', app), 'mirror.local/app:1', `${app}:1`, true],
  [remap('mirror.local/app', app), 'mirror.local/app2:1', 'quay.io/team/app2:1', false],
  [remap('mirror.local/app', app), 'mirror.local/app2:1', 'mirror.local/app2:1', true],
  [remap('mirror.local', 'quay.io'), 'mirror.local:5000/team/app:1', `${app}:1`, false],
  [remap('mirror.local', 'docker.io'), 'mirror.local/busybox:1', 'docker.io/library/busybox:1', false],
  [remap('mirror.local', 'docker.io/library'), 'mirror.local/busybox:1', 'busybox:1', true],
  [remap('mirror.local', 'team'), 'mirror.local/app:1', 'docker.io/team/app:1', false],

  [matchRepository, 'TEAM/app:1', 'TEAM/app:1', false],
  [{ type: 'exactRepository', dockerRepository: app }, `${app}:1`, 'TEAM/app:1', false],
  [matchRepository, '[::1]:5000/app:1', '[::1]:5000/app:1', false],
  [matchRepository, `quay.io/${'a'.repeat(248)}:1`, `quay.io/${'a'.repeat(248)}:1`, false],
]

suite('of an image that is asked for, the claim', () => {
  for (const [rule, image, signed, counts] of cases)
    test(`${image.slice(0, 60)}, ${signed.slice(0, 60)} ${counts ? 'counts' : 'does not count'} by ${JSON.stringify(rule)}`, () => {
      assert.equal(satisfies(parseIdentity(rule), parseReference(image), parseReference(signed)), counts)
    })
})

/** Two references, often of one repository, and hosts that clients know. */
const pairs = fc
  .tuple(references, references, fc.constantFrom('same', 'repository', 'other'))
  .map(([first, second, relation]): [ImageReference, ImageReference] => {
    const image = { ...first, host: 'quay.io' }
    if (relation === 'same') return [image, image]
    return [image, relation === 'repository' ? { ...second, host: 'quay.io', path: first.path } : second]
  })

test('what counts by matchExact counts by matchRepoDigestOrExact, and that by matchRepository', () => {
  fc.assert(
    fc.property(pairs, ([image, signed]) => {
      const [exact, standard, repository] = [matchExact, matchRepoDigestOrExact, matchRepository].map(
        (rule) => satisfies(parseIdentity(rule), image, signed),
      )
      assert.ok(!exact || standard)
      assert.ok(!standard || repository)
    }),
  )
})

test('exactReference of the image as it is asked for is matchExact; exactRepository of it is matchRepository', () => {
  fc.assert(
    fc.property(pairs, ([image, signed]) => {
      const text = formatReference(image)
      const repository = { type: 'exactRepository', dockerRepository: text }
      const byRule = (rule: object) => satisfies(parseIdentity(rule), image, signed)
      assert.equal(byRule(repository), byRule(matchRepository))
      if (image.tag === undefined && image.digest === undefined) return
      assert.equal(byRule({ type: 'exactReference', dockerReference: text }), byRule(matchExact))
    }),
  )
})

test('an image that is mirrored under another prefix counts as the one it mirrors', () => {
  fc.assert(
    fc.property(pairs, ([image, signed]) => {
      const mirrored = { ...image, host: 'mirror.local:5000' }
      const rule = parseIdentity(remap('mirror.local:5000', 'quay.io'))
      const standard = parseIdentity(matchRepoDigestOrExact)
      assert.equal(satisfies(rule, mirrored, signed), satisfies(standard, image, signed))
      assert.equal(satisfies(rule, image, signed), satisfies(standard, image, signed))
    }),
  )
})
