import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ClaimRule,
  type ClaimValue,
  parseScopeTemplate,
  scopesOfClaims,
} from '../../src/access/claim-rule.ts'
import { formatScope, may } from '../../src/access/principal.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { Refusal } from '../../src/refusal.ts'

function rule(claims: Record<string, ClaimValue>, ...allow: string[]): ClaimRule {
  return { claims: new Map(Object.entries(claims)), allow: allow.map(parseScopeTemplate) }
}

const allowed = (rules: ClaimRule[], claims: Record<string, unknown>) =>
  scopesOfClaims(rules, claims)?.map(formatScope) ?? null

test('a rule matches where every claim of it is exactly as it says, and rules add up', () => {
  const rules = [
    rule({ repository_id: '123', ref: 'refs/heads/main' }, 'push:team/app'),
    rule({ repository_id: '123', environment: 'production' }, 'push:prod/**', 'relocate:prod/**'),
  ]
  const main = { repository_id: '123', ref: 'refs/heads/main' }
  assert.deepEqual(allowed(rules, main), ['push:team/app'])
  assert.deepEqual(allowed(rules, { ...main, environment: 'production' }), [
    'push:team/app',
    'push:prod/**',
    'relocate:prod/**',
  ])
  for (const other of [{ ...main, ref: 'refs/heads/main2' }, { ref: 'refs/heads/main' }, {}])
    assert.equal(allowed(rules, other), null)
})

test('values are compared without becoming another type', () => {
  const cases: [wanted: ClaimValue, ...others: unknown[]][] = [
    ['123', 123, ['123'], '0123', '123 ', { toString: () => '123' }, null],
    [1, '1', true, 1.5, [1]],
    [true, 'true', 1, [true]],
    [false, 'false', 0, null, undefined, ''],
    ['', null, undefined, false, 0],
  ]
  for (const [wanted, ...others] of cases) {
    const rules = [rule({ claim: wanted }, 'push:app')]
    assert.deepEqual(allowed(rules, { claim: wanted }), ['push:app'])
    for (const other of others) assert.equal(allowed(rules, { claim: other }), null)
  }
})

test('what every object inherits is no claim', () => {
  assert.equal(allowed([rule({ constructor: 'x' }, 'push:app')], {}), null)
  assert.equal(allowed([rule({ a: 'b' }, 'push:{constructor}')], { a: 'b' }), null)
  assert.equal(allowed([rule({ a: 'b' }, 'push:{__proto__}')], { a: 'b' }), null)
})

test('the value of a claim stands for itself in a pattern, and can make no pattern of its own', () => {
  const rules = [rule({ a: 'b' }, 'push:{repository}', 'push:{repository}/**')]
  assert.deepEqual(allowed(rules, { a: 'b', repository: 'octo/app' }), ['push:octo/app', 'push:octo/app/**'])
  for (const repository of [
    '**',
    '*',
    'octo/*',
    'octo/app,**',
    '',
    '/',
    'octo//app',
    '../app',
    'Octo/App',
    'octo/app\n',
    'octo/app}',
    '{repository}',
    '$&',
    1,
    ['octo/app'],
    undefined,
    `a${'b'.repeat(253)}`,
  ])
    assert.equal(allowed(rules, { a: 'b', repository }), null, String(repository))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z*./]{1,12}$/)), (repository) => {
      const scopes = scopesOfClaims([rule({ a: 'b' }, 'push:own/{repository}')], { a: 'b', repository })
      assert.ok(!may({ name: 'x', scopes: scopes ?? [] }, 'push', parseRepository('team/app')))
    }),
  )
})

test('a rule of which one right cannot be filled in gives none', () => {
  assert.equal(allowed([rule({ a: 'b' }, 'push:team/app', 'push:{missing}')], { a: 'b' }), null)
})

test('what is no scope, whatever the claims, is refused', () => {
  for (const text of [
    'push',
    'push:',
    'pull:app',
    '{action}:app',
    'push:Team',
    'push:{repository',
    'push:{}',
  ])
    assert.throws(() => parseScopeTemplate(text), Refusal, text)
  for (const text of [
    'admin',
    'push:**',
    'push:{a}',
    'push:x/{a}/y-{b}',
    'push:{https://example.com/claim}/*',
  ])
    assert.equal(parseScopeTemplate(text), text)
})
