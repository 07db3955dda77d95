import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loader, refuses } from './loader.ts'

const yaml = (clients: object[], tls: object = { clientCa: 'ca.crt' }) => JSON.stringify({ tls, clients })

test('whose certificates sign in is read, and needs CAs', (t) => {
  const { directory, load } = loader(t)
  writeFileSync(join(directory, 'etc/ca.crt'), '')
  const allow = ['push:team/**']
  const config = load({
    yaml: yaml([
      { subject: 'CN=a,O=b', allow },
      { uri: 'spiffe://a/b', allow: ['admin'] },
    ]),
  })
  assert.deepEqual(config.tls, { mode: 'auto', names: [], clientCa: join(directory, 'etc/ca.crt') })
  assert.deepEqual(config.clients, [
    { kind: 'subject', name: 'CN=a,O=b', scopes: [{ action: 'push', pattern: 'team/**' }] },
    { kind: 'uri', name: 'spiffe://a/b', scopes: [{ action: 'admin' }] },
  ])
  const place = 'etc/lookaside.yaml:1: clients'
  const needs = `${place} needs tls.clientCa as well, and TLS`
  refuses(load, { yaml: yaml([{ dns: 'a', allow }], {}) }, needs)
  refuses(load, { yaml: yaml([{ dns: 'a', allow }], { mode: 'off', clientCa: 'ca.crt' }) }, needs)
  const one = `${place}[0] must have one of subject, dns, uri, email`
  refuses(load, { yaml: yaml([{ allow }]) }, one)
  refuses(load, { yaml: yaml([{ dns: 'a', uri: 'b', allow }]) }, one)
  refuses(
    load,
    { yaml: yaml([], { clientCa: 'none.crt' }) },
    `etc/lookaside.yaml:1: tls.clientCa names a file that is not there: ${join(directory, 'etc/none.crt')}`,
  )
})
