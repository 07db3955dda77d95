import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callerOfRegistry } from '../../src/bridge/caller.ts'
import { basic } from '../http/extension-client.ts'

const jwt = (claims: unknown) =>
  `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

test('a caller is named by the user of Basic, or by the subject of a token', () => {
  assert.equal(callerOfRegistry(basic('alice', 'se:cret')), 'alice')
  assert.equal(
    callerOfRegistry(basic('team/robot$ci+x@example.com', 'secret')),
    'team/robot$ci+x@example.com',
  )
  assert.equal(callerOfRegistry(jwt({ sub: 'alice' })), 'alice')
  assert.equal(callerOfRegistry(jwt({ sub: 'alice' }).replace('Bearer', 'bearer')), 'alice')
})

test('who is not named is not made up', () => {
  for (const nobody of [undefined, '', 'Basic', basic('', 'secret'), 'Digest username="alice"', 'Basic a b'])
    assert.equal(callerOfRegistry(nobody), 'anonymous')
  for (const nameless of [
    'Bearer opaque',
    'Bearer a.b.c',
    jwt({}),
    jwt({ sub: '' }),
    jwt({ sub: 7 }),
    jwt(null),
    jwt([]),
  ])
    assert.equal(callerOfRegistry(nameless), 'token')
})

test('a name cannot break out of the line it stands in, nor fill it', () => {
  for (const name of ['a\r\nb', 'a\0b', 'a\u001b[2Jb', 'a b', 'a\u202eb', 'a\u00e9b', 'a\ud800b']) {
    assert.match(callerOfRegistry(basic(name, 'x')), /^a\?+(\[2J)?b$/)
    assert.match(callerOfRegistry(jwt({ sub: name })), /^a\?+(\[2J)?b$/)
  }
  assert.equal(callerOfRegistry(basic('n'.repeat(5000), 'x')).length, 100)
  assert.ok(!callerOfRegistry(basic('alice', 'secret')).includes('secret'))
})
