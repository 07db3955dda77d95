import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { JsonGeneralNames, JsonName } from '@peculiar/x509'
import type { ClientRule } from '../../src/access/client-rule.ts'
import { formatScope, parseScope } from '../../src/access/principal.ts'
import { certificateClients, subjectOf } from '../../src/identity/clients.ts'
import { type Leaf, newCa } from './certificates.ts'

const ca = await newCa('Clients')
const issue = async (leaf: Leaf) => new X509Certificate((await ca.issue(leaf)).cert)

const rule = (kind: ClientRule['kind'], name: string, ...scopes: string[]): ClientRule => {
  return { kind, name, scopes: scopes.map(parseScope) }
}

const rules = [
  rule('subject', 'CN=signer,O=Example', 'push:team/**'),
  rule('dns', 'ci.example.com', 'push:ci/**'),
  rule('uri', 'spiffe://example.com/ci/release', 'push:prod/**', 'relocate:prod/**'),
  rule('email', 'release@example.com', 'push:mail/**'),
]
const clients = await certificateClients(rules, Date.now)

const example: JsonName = [{ O: ['Example'] }, { CN: ['signer'] }]

test('the subject, or one of the alternative names, says whose a certificate is', async () => {
  const certificate = await issue({ subject: example })
  assert.deepEqual(clients(certificate), {
    principal: { name: 'CN=signer,O=Example', scopes: [{ action: 'push', pattern: 'team/**' }] },
    actor: `certificate:${certificate.serialNumber} CN=signer,O=Example`,
  })
  for (const [names, scopes] of [
    [[{ type: 'dns', value: 'ci.example.com' }], ['push:ci/**']],
    [[{ type: 'url', value: 'spiffe://example.com/ci/release' }], ['push:prod/**', 'relocate:prod/**']],
    [[{ type: 'email', value: 'release@example.com' }], ['push:mail/**']],
    [
      [
        { type: 'dns', value: 'other.example.com' },
        { type: 'email', value: 'release@example.com' },
        { type: 'dns', value: 'ci.example.com' },
      ],
      ['push:ci/**', 'push:mail/**'],
    ],
  ] as [JsonGeneralNames, string[]][]) {
    const client = clients(await issue({ names }))
    assert.deepEqual(client?.principal.scopes.map(formatScope), scopes)
  }
})

test('no other subject passes for one that is allowed', async () => {
  const subjects: JsonName[] = [
    [{ CN: ['signer'] }, { O: ['Example'] }],
    [{ CN: ['signer'] }],
    [{ O: ['Example'] }, { CN: ['signer '] }],
    [{ O: ['Example'] }, { CN: [' signer'] }],
    [{ O: ['Example'] }, { CN: ['Signer'] }],
    [{ O: ['Example'] }, { CN: ['signer\0'] }],
    [{ O: ['Example'] }, { CN: ['signer\0.evil.example'] }],
    [{ O: ['Example'] }, { CN: ['signer\n'] }],
    [{ O: ['Example'] }, { CN: ['signer', 'other'] }],
    [{ O: ['Example'] }, { CN: ['signer'] }, { CN: ['signer'] }],
    [{ O: ['Example'] }, { CN: ['evil'] }, { CN: ['signer'] }],
    [{ O: ['Example'] }, { CN: ['signer'] }, { CN: ['evil'] }],
    [{ O: ['Example'], CN: ['signer'] }],
    [{ CN: ['signer,O=Example'] }],
    [{ O: ['Example\nCN=signer'] }],
    [{ O: ['Example + CN=signer'] }],
    [{ O: ['Example'] }, { OU: ['x'] }, { CN: ['signer'] }],
    [{ CN: ['signer'], O: ['Example'] }],
    [],
  ]
  for (const subject of subjects)
    assert.equal(clients(await issue({ subject })), null, JSON.stringify(subject))
})

test('no other alternative name passes for one that is allowed', async () => {
  const values: JsonGeneralNames[number][] = [
    { type: 'dns', value: 'ci.example.com.' },
    { type: 'dns', value: '*.example.com' },
    { type: 'dns', value: 'CI.example.com' },
    { type: 'dns', value: 'ci.example.com\0.evil.example' },
    { type: 'dns', value: 'evil.example, DNS:ci.example.com' },
    { type: 'dns', value: 'evil.example, DNS:ci.example.com, DNS:x' },
    { type: 'dns', value: 'x"; DNS:ci.example.com' },
    { type: 'dns', value: 'release@example.com' },
    { type: 'email', value: 'ci.example.com' },
    { type: 'email', value: 'Release@example.com' },
    { type: 'email', value: 'release@example.com\0@evil.example' },
    { type: 'url', value: 'spiffe://example.com/ci/release/more' },
    { type: 'url', value: 'http://evil.example/, URI:spiffe://example.com/ci/release' },
    { type: 'url', value: 'ci.example.com' },
    { type: 'dn', value: 'CN=signer,O=Example' },
  ]
  for (const value of values)
    assert.equal(clients(await issue({ names: [value] })), null, JSON.stringify(value))
  // The subject is none of them.
  for (const CN of ['ci.example.com', 'release@example.com', 'spiffe://example.com/ci/release'])
    assert.equal(clients(await issue({ subject: [{ CN: [CN] }] })), null)
})

test('a certificate that is for something else, or not now, is nobody’s', async () => {
  const clientAuth = '1.3.6.1.5.5.7.3.2'
  const serverAuth = '1.3.6.1.5.5.7.3.1'
  const past = new Date(Date.now() - 1000)
  const future = new Date(Date.now() + 60_000)
  assert.ok(clients(await issue({ subject: example, usages: [serverAuth, clientAuth] })))
  for (const leaf of [
    { usages: [] },
    { usages: [serverAuth] },
    { usages: ['2.5.29.37.0'] },
    { isCa: true },
    { notAfter: past },
    { notBefore: future },
  ])
    assert.equal(clients(await issue({ subject: example, ...leaf })), null, JSON.stringify(leaf))
})

test('a subject is written as openssl writes it', async () => {
  // Printed by `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb`, OpenSSL 3.0.
  const subjects: [JsonName, string][] = [
    [[{ O: ['Example'] }, { CN: ['signer'] }], 'CN=signer,O=Example'],
    [
      [{ C: ['DE'] }, { O: ['Ex, Inc. + Co; <y>'] }, { OU: ['a'], CN: ['ci'] }],
      'CN=ci+OU=a,O=Ex\\, Inc. \\+ Co\\; \\<y\\>,C=DE',
    ],
    [[{ O: ['1 '] }, { CN: [' Zoë\nx'] }], 'CN=\\ Zoë\\0Ax,O=1\\ '],
    [[{ CN: ['a + b'] }, { CN: ['c=d'] }], 'CN=c=d,CN=a \\+ b'],
  ]
  for (const [subject, printed] of subjects) assert.equal(subjectOf(await issue({ subject })), printed)
})
