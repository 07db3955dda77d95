import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyOptions, requireProxyUrls } from '../../src/net/outgoing.ts'

const elsewhere = 'https://sigs.example.com'

test('a proxy is named by a URL, and by nothing that connections would pass over', () => {
  for (const value of ['http://host:3128', 'https://user:secret@host', ''])
    for (const name of ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'])
      assert.doesNotThrow(() => requireProxyUrls({ [name]: value }))
  for (const value of [
    'host:3128',
    'user:secret@host:3128',
    '//host',
    'http://',
    ' http://host',
    'socks5://host',
  ])
    for (const name of ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'])
      assert.throws(() => requireProxyUrls({ [name]: value }), {
        name: 'Refusal',
        code: 'configuration',
        message: `${name} must be a URL, such as http://host:3128`,
      })
  // The other one does not count.
  requireProxyUrls({ https_proxy: 'http://host:3128', HTTPS_PROXY: 'host:3128' })
})

test('for this machine no proxy is used, however it is named', () => {
  const env = { HTTPS_PROXY: 'http://host:3128' }
  assert.deepEqual(proxyOptions(elsewhere, env), { proxyEnv: env })
  assert.deepEqual(proxyOptions('https://127.0.0.1:8443', { HTTPS_PROXY: 'host:3128' }), {})
  assert.throws(() => proxyOptions(elsewhere, { HTTPS_PROXY: 'host:3128' }), { code: 'configuration' })
})
