import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matches, parsePattern } from '../../src/access/pattern.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { repositories } from '../reference/arbitraries.ts'

const covers = (pattern: string, repository: string) =>
  matches(parsePattern(pattern), parseRepository(repository))

const table: Record<string, { yes: string[]; no: string[] }> = {
  'team/app': { yes: ['team/app'], no: ['team', 'team/app/x', 'team/app2', 'xteam/app', 'x/team/app'] },
  'team/*': { yes: ['team/app', 'team/a.b'], no: ['team', 'team/app/x', 'teams/app', 'x/team/app'] },
  'team/**': { yes: ['team/app', 'team/app/x/y'], no: ['team', 'teams/app', 'x/team/app'] },
  '**': { yes: ['a', 'team/app', 'a/b/c/d'], no: [] },
  '*': { yes: ['a', 'busybox'], no: ['a/b'] },
  '*/*': { yes: ['a/b'], no: ['a', 'a/b/c'] },
  '**/app': { yes: ['team/app', 'a/b/app'], no: ['app', 'team/app/x'] },
  'a/**/z': { yes: ['a/b/z', 'a/b/c/z', 'a/z/z'], no: ['a/z', 'a/b', 'b/b/z'] },
  '**/**': { yes: ['a/b', 'a/b/c'], no: ['a'] },
  '**/x/**/y': { yes: ['a/x/b/y', 'a/x/x/y', 'x/x/y/y'], no: ['x/a/y', 'a/x/y', 'a/b/c/y'] },
  'team/app-*': { yes: ['team/app-1', 'team/app-web'], no: ['team/app', 'team/app/1', 'team/app-1/x'] },
  'team/app*': { yes: ['team/app', 'team/apple'], no: ['team/ap', 'team/app/x'] },
  'team/*-prod': { yes: ['team/a-prod', 'team/a-b-prod'], no: ['team/prod', 'team/a-prod2'] },
  'team/a*b*c': { yes: ['team/abc', 'team/axxbxxc', 'team/abbcc'], no: ['team/ac', 'team/acb', 'team/abcd'] },
  'team/aba*aba': { yes: ['team/abaaba', 'team/abaxaba'], no: ['team/aba', 'team/ababa'] },
}

for (const [pattern, { yes, no }] of Object.entries(table)) {
  test(`${pattern} covers what it says and nothing else`, () => {
    for (const repository of yes) assert.equal(covers(pattern, repository), true, repository)
    for (const repository of no) assert.equal(covers(pattern, repository), false, repository)
  })
}

/** The meaning of a pattern, written as a regular expression. */
function meaning(pattern: string): RegExp {
  const parts = pattern
    .split('/')
    .map((part) =>
      part === '**' ? '[^/]+(?:/[^/]+)*' : part.replaceAll('.', '\\.').replaceAll('*', '[^/]*'),
    )
  return new RegExp(`^${parts.join('/')}$`)
}

test('a pattern covers exactly what its meaning as a regular expression does', () => {
  const parts = fc.constantFrom('a', 'b', 'ab', '*', '**', 'a*', '*b', 'a*b', '*a*', 'a.b')
  const patterns = fc.array(parts, { minLength: 1, maxLength: 5 }).map((list) => list.join('/'))
  const names = fc
    .array(fc.constantFrom('a', 'b', 'ab', 'aab', 'abb', 'a.b', 'acb'), { minLength: 1, maxLength: 6 })
    .map((list) => list.join('/'))
  fc.assert(
    fc.property(patterns, names, (pattern, name) => {
      assert.equal(covers(pattern, name), meaning(pattern).test(name))
    }),
    { numRuns: 5000 },
  )
})

test('a repository is a pattern of itself', () => {
  fc.assert(
    fc.property(repositories, repositories, (one, other) => {
      assert.equal(covers(one, other), one === other)
    }),
  )
})

test('a pattern may be as long as a repository', () => {
  assert.equal(parsePattern(`${'a'.repeat(253)}/*`).length, 255)
})

const refused = {
  'an empty text': '',
  'a trailing slash': 'team/',
  'a leading slash': '/team/*',
  'an empty component': 'team//*',
  'two stars inside a component': 'team/app**',
  'three stars': '***',
  'an upper-case letter': 'Team/*',
  'an upper-case repository': 'Team/app',
  'a name that no repository has': 'team/-app',
  'a question mark': 'team/ap?',
  'a character class': 'team/[ab]*',
  'a tag': 'team/app:1',
  'a host with a port': 'localhost:5000/*',
  'a space': 'team/* ',
  '256 characters': `${'a'.repeat(254)}/*`,
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} makes no pattern`, () => {
    assert.throws(() => parsePattern(text), { name: 'Refusal', code: 'bad-pattern' })
  })
}
