import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { requirementsFor, scopesOf } from '../../src/policy/scope.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { references } from '../reference/arbitraries.ts'
import { anything, parsePolicy, reject } from './documents.ts'

const digest = `sha256:${'a'.repeat(64)}`

suite('the scopes of an image, the one that counts first:', () => {
  const orders: Record<string, string[]> = {
    'registry.eu.example.com:8443/team/sub/app:1': [
      'registry.eu.example.com:8443/team/sub/app:1',
      'registry.eu.example.com:8443/team/sub/app',
      'registry.eu.example.com:8443/team/sub',
      'registry.eu.example.com:8443/team',
      'registry.eu.example.com:8443',
      '*.eu.example.com',
      '*.example.com',
      '*.com',
    ],
    [`quay.io/app@${digest}`]: [`quay.io/app@${digest}`, 'quay.io/app', 'quay.io', '*.io'],
    [`quay.io/app:1@${digest}`]: [`quay.io/app@${digest}`, 'quay.io/app', 'quay.io', '*.io'],
    'quay.io/app': ['quay.io/app', 'quay.io', '*.io'],
    'busybox:1': [
      ...['docker.io/library/busybox:1', 'docker.io/library/busybox', 'docker.io/library', 'docker.io'],
      '*.io',
    ],
    'localhost:5000/app:1': ['localhost:5000/app:1', 'localhost:5000/app', 'localhost:5000'],
    '127.0.0.1:5000/app': ['127.0.0.1:5000/app', '127.0.0.1:5000', '*.0.0.1', '*.0.1', '*.1'],
  }
  for (const [image, scopes] of Object.entries(orders))
    test(image, () => assert.deepEqual(scopesOf(parseReference(image)), scopes))
})

test('the first scope that the policy has is the one whose requirements count, alone', () => {
  fc.assert(
    fc.property(references, fc.infiniteStream(fc.boolean()), (image, choices) => {
      const scopes = [...scopesOf(image), '']
      const chosen = scopes.filter(() => choices.next().value)
      const docker = Object.fromEntries(
        // Written backwards, so that their order in the text is seen not to count.
        chosen.map((scope, index) => [scope, index === 0 ? [reject, anything] : [anything]]).reverse(),
      )
      const policy = parsePolicy({ default: [reject], transports: { docker } })
      const { scope, requirements } = requirementsFor(policy, image)
      assert.equal(requirements.length, chosen.length > 0 ? 2 : 1)
      assert.equal(`${scope}[0]`, requirements[0]?.place)
    }),
  )
})

test('the scope of the docker transport that is empty comes after every other, and before default', () => {
  const image = parseReference('quay.io/app:1')
  const docker = { '': [anything], '*.io': [anything] }
  const scopeIn = (transports: object) =>
    requirementsFor(parsePolicy({ default: [reject], transports }), image).scope
  assert.equal(scopeIn({ docker }), 'transports.docker["*.io"]')
  assert.equal(scopeIn({ docker: { '': [anything] } }), 'transports.docker[""]')
  assert.equal(scopeIn({ docker: {} }), 'default')
  assert.equal(scopeIn({ atomic: docker }), 'default')
  assert.equal(scopeIn({}), 'default')
})

test('a scope is compared as text: neither a part of a component nor another case is one', () => {
  const docker = { 'quay.io/te': [anything], 'Quay.io': [anything], io: [anything], '*.quay.io': [anything] }
  const policy = parsePolicy({ default: [reject], transports: { docker } })
  assert.equal(requirementsFor(policy, parseReference('quay.io/team/app:1')).scope, 'default')
})
