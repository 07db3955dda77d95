import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRepository, parseRepository } from '../../src/reference/repository.ts'
import { repositories } from './arbitraries.ts'

test('components joined by one of the separators are a repository', () => {
  fc.assert(fc.property(repositories, (name) => parseRepository(name) === name))
  for (const name of ['a', 'library/busybox', 'a.b/c_d/e__f/g-h/i---j', '0/1', `a/${'b'.repeat(253)}`]) {
    assert.equal(parseRepository(name), name)
  }
})

const refused = {
  'an empty name': '',
  'a leading slash': '/a',
  'a trailing slash': 'a/',
  'an empty component': 'a//b',
  'a dot': '.',
  'two dots': '..',
  'a way up': 'a/../b',
  'two dots in a component': 'a..b',
  'three underscores': 'a___b',
  'mixed separators': 'a._b',
  'a leading separator': '-a',
  'a trailing separator': 'a-',
  'an upper-case letter': 'Team/app',
  'a tag': 'a:1',
  'a digest': `a@sha256:${'0'.repeat(64)}`,
  'an equals sign': 'sha256=0',
  'a space': 'a b',
  'a line break': 'a\n',
  'a letter outside ASCII': 'é',
  '256 characters': `a/${'b'.repeat(254)}`,
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} makes no repository`, () => {
    assert.equal(isRepository(text), false)
    assert.throws(() => parseRepository(text), { name: 'Refusal', code: 'bad-reference' })
  })
}

test('the refusal says what to change', () => {
  assert.throws(() => parseRepository('Team/app'), /"Team\/app" must be lower-case/)
  assert.throws(() => parseRepository('a'.repeat(300)), /has 300 characters; 255 are allowed/)
  assert.throws(() => parseRepository(''), /is empty/)
})
