import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Action, formatScope, may, type Principal, parseScope } from '../../src/access/principal.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { repositories } from '../reference/arbitraries.ts'

const actions: Action[] = ['push', 'withdraw', 'relocate', 'read', 'admin']
const app = parseRepository('team/app')

function principal(...scopes: string[]): Principal {
  return { name: 'ci', scopes: scopes.map(parseScope) }
}

test('a scope is written and read without change', () => {
  const scopes = fc.oneof(
    fc.constant('admin'),
    fc
      .tuple(
        fc.constantFrom('push', 'withdraw', 'relocate', 'read'),
        fc.oneof(repositories, fc.constantFrom('**', 'team/*', 'a/**/b-*')),
      )
      .map(([action, pattern]) => `${action}:${pattern}`),
  )
  fc.assert(
    fc.property(scopes, (text) => {
      assert.equal(formatScope(parseScope(text)), text)
      assert.deepEqual(parseScope(formatScope(parseScope(text))), parseScope(text))
    }),
  )
})

const refused = {
  'an empty text': '',
  'an unknown action': 'delete:team/*',
  'an action in upper case': 'PUSH:team/*',
  'an action without pattern': 'push',
  'an action with an empty pattern': 'push:',
  'a pattern without action': ':team/*',
  'a pattern after admin': 'admin:team/*',
  'an empty pattern after admin': 'admin:',
  'a bad pattern': 'push:Team/*',
  'two scopes in one': 'push:team/*,read:**',
  'a name of Object.prototype': 'constructor:**',
  'a space': 'push: team/*',
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} makes no scope`, () => {
    assert.throws(() => parseScope(text), { name: 'Refusal', code: 'bad-pattern' })
  })
}

test('a principal without scopes may do nothing', () => {
  for (const action of actions) {
    assert.equal(may(principal(), action), false)
    assert.equal(may(principal(), action, app), false)
  }
})

test('a scope allows its own action only, in its own repositories only', () => {
  for (const allowed of ['push', 'withdraw', 'relocate', 'read'] as const) {
    for (const action of actions) {
      assert.equal(may(principal(`${allowed}:team/*`), action, app), action === allowed)
      assert.equal(may(principal(`${allowed}:team/*`), action, parseRepository('other/app')), false)
    }
  }
})

test('scopes add up', () => {
  const ci = principal('push:team/*', 'push:other/app', 'withdraw:other/*')
  assert.equal(may(ci, 'push', app), true)
  assert.equal(may(ci, 'push', parseRepository('other/app')), true)
  assert.equal(may(ci, 'withdraw', app), false)
})

test('without a repository, only a scope of every repository counts', () => {
  assert.equal(may(principal('read:**'), 'read'), true)
  assert.equal(may(principal('read:team/**'), 'read'), false)
  assert.equal(may(principal('read:*', 'read:*/**'), 'read'), false)
})

test('admin may do everything', () => {
  for (const action of actions) {
    assert.equal(may(principal('admin'), action), true)
    assert.equal(may(principal('admin'), action, app), true)
  }
})

test('nothing but admin makes an admin', () => {
  const everything = principal('push:**', 'withdraw:**', 'relocate:**', 'read:**')
  assert.equal(may(everything, 'admin'), false)
  assert.equal(may(everything, 'admin', app), false)
})
