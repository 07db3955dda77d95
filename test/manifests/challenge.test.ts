import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readChallenge } from '../../src/manifests/challenge.ts'

const read = (value: string) => {
  const challenge = readChallenge(value)
  return challenge && [challenge.scheme, Object.fromEntries(challenge.parameters)]
}

test('a challenge is read with its parameters', () => {
  assert.deepEqual(read('Bearer realm="https://auth.example.com/token",service="reg",Scope="a:b:c,d"'), [
    'bearer',
    { realm: 'https://auth.example.com/token', service: 'reg', scope: 'a:b:c,d' },
  ])
  assert.deepEqual(read('  BASIC  realm = "x"'), ['basic', {}])
  assert.deepEqual(read('Basic realm=token , charset="UTF-8"'), [
    'basic',
    { realm: 'token', charset: 'UTF-8' },
  ])
  assert.deepEqual(read('Basic'), ['basic', {}])
  assert.deepEqual(read('Bearer realm="a\\"b\\\\c"'), ['bearer', { realm: 'a"b\\c' }])
})

test('of several challenges in one value the first is read', () => {
  assert.deepEqual(read('Basic realm="x", Bearer realm="y"'), ['basic', { realm: 'x' }])
})

test('what cannot be read is left out, in little time', () => {
  assert.equal(read(''), null)
  assert.equal(read('"quoted"'), null)
  assert.deepEqual(read('Bearer realm="no end'), ['bearer', {}])
  const start = performance.now()
  for (const part of ['a', 'a=', 'a="', '\\', '"\\"', ' ', 'a="\\\\",'])
    readChallenge(`Bearer ${part.repeat(16_384 / part.length)}`)
  assert.ok(performance.now() - start < 500)
})
