import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatListenAddress, parseListenAddress } from '../../src/config/listen.ts'

test('a host, an address, or every address', () => {
  assert.deepEqual(parseListenAddress('localhost:8443'), { host: 'localhost', port: 8443 })
  assert.deepEqual(parseListenAddress('0.0.0.0:0'), { host: '0.0.0.0', port: 0 })
  assert.deepEqual(parseListenAddress('[::1]:8443'), { host: '::1', port: 8443 })
  assert.deepEqual(parseListenAddress('[fe80::1%eth0]:443'), { host: 'fe80::1%eth0', port: 443 })
  assert.deepEqual(parseListenAddress(':8443'), { host: '', port: 8443 })
})

test('anything else is refused', () => {
  for (const text of [
    ...['', '8443', 'localhost', 'localhost:', 'localhost:65536', 'localhost:-1', 'localhost:8443 ', 'a:b:1'],
    ...[
      '::1:8443',
      '::1',
      '[::1]',
      '[]:1',
      '[localhost]:1',
      '[127.0.0.1]:1',
      '*:8443',
      'https://a:1',
      '1.2.3:80',
    ],
  ]) {
    assert.equal(parseListenAddress(text), undefined, text)
  }
})

test('what is formatted is read as it was', () => {
  const host = fc.oneof(fc.constant(''), fc.domain(), fc.ipV4(), fc.ipV6())
  fc.assert(
    fc.property(host, fc.nat(65535), (host, port) => {
      const address = { host, port }
      assert.deepEqual(parseListenAddress(formatListenAddress(address)), address)
    }),
  )
})
