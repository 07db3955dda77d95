import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isDigest, parseDigest } from '../../src/reference/digest.ts'
import { digests } from './arbitraries.ts'

const hex = 'a'.repeat(64)

test('a digest of each algorithm is read as it stands', () => {
  fc.assert(fc.property(digests, (digest) => parseDigest(digest) === digest && isDigest(digest)))
})

const refused = {
  'an empty text': '',
  'no algorithm': hex,
  'no hex': 'sha256:',
  'one digit too few': `sha256:${hex.slice(1)}`,
  'one digit too many': `sha256:${hex}0`,
  'the length of another algorithm': `sha512:${hex}`,
  'upper-case hex': `sha256:${hex.toUpperCase()}`,
  'an upper-case algorithm': `SHA256:${hex}`,
  'a letter beyond f': `sha256:${hex.slice(1)}g`,
  'an unknown algorithm': `blake3:${hex}`,
  'the spelling of tree paths': `sha256=${hex}`,
  'a line break after it': `sha256:${hex}\n`,
  'a space before it': ` sha256:${hex}`,
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} is not a digest`, () => {
    assert.equal(isDigest(text), false)
    assert.throws(() => parseDigest(text), { name: 'Refusal', code: 'bad-digest' })
  })
}

test('the refusal of a huge text quotes little of it', () => {
  assert.throws(
    () => parseDigest('x'.repeat(1_000_000)),
    (error: Error) => error.message.length < 400,
  )
})
