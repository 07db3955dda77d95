import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type TargetOptions, targetOf } from '../../src/cli/client-target.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Refusal } from '../../src/refusal.ts'
import { ensurePrivateCa } from '../../src/tls/private-ca.ts'
import { temporaryFolder } from '../temporary.ts'

const root = temporaryFolder()
const data = join(root, 'data')
mkdirSync(data)
const { ca } = await ensurePrivateCa({
  directory: join(data, 'tls'),
  names: [],
  hostName: 'host',
  now: new Date(),
})
const pem = readFileSync(ca, 'utf8').trimEnd().concat('\n')

function configFile(text: string): string {
  const file = join(mkdtempSync(join(root, 'config-')), 'lookaside.yaml')
  writeFileSync(file, `data: ${data}\n${text}`)
  return file
}

/** As the command does, with the variables of the environment. */
function target(options: TargetOptions, env: Record<string, string> = {}) {
  return targetOf(options, env, () => {
    const { config: file, data } = options
    return loadConfig({ ...(file !== undefined && { file }), env, flags: { data } })
  })
}

const refused = (about: RegExp) => (error: unknown) =>
  error instanceof Refusal && error.code === 'configuration' && about.test(error.message)

test('the prefix of a registry comes from the configuration, or is named', () => {
  const config = configFile('registries: [{host: quay.io, prefix: mirrors/quay}, {host: "localhost:5000"}]\n')
  assert.equal(target({ registry: 'quay.io', config }).prefix, 'mirrors/quay')
  assert.equal(target({ registry: 'localhost:5000', config }).prefix, '')
  assert.equal(target({ registry: 'docker.io', config, prefix: 'hub' }).prefix, 'hub')
  assert.throws(
    () => target({ registry: 'docker.io', config }),
    refused(/keeps no signatures for docker\.io, only for quay\.io, localhost:5000/),
  )
  assert.throws(() => target({ registry: 'quay.io', config, prefix: "a'b" }), Refusal)
})

test('the URL of the server comes from where it listens, its names, or publicUrl', () => {
  for (const [text, url] of [
    ['', 'https://localhost:8443'],
    ['listen: 192.0.2.1:443\n', 'https://192.0.2.1'],
    ['listen: "[2001:db8::1]:9000"\n', 'https://[2001:db8::1]:9000'],
    ['listen: :9000\ntls: {names: [sigs.example.com]}\n', 'https://sigs.example.com:9000'],
    ['listen: :9000\n', 'https://localhost:9000'],
    ['listen: sigs.example.com:80\ntls: {mode: off}\n', 'http://sigs.example.com'],
    ['publicUrl: https://example.com/behind/proxy/\ntls: {mode: off}\n', 'https://example.com/behind/proxy'],
  ] as const)
    assert.equal(target({ registry: 'quay.io', config: configFile(text) }).url, url)
  const config = configFile('listen: localhost:0\n')
  assert.throws(
    () => target({ registry: 'quay.io', config }),
    refused(/set publicUrl, or name it with --server/),
  )
})

test('another server is named by options or variables, and nothing of a local configuration is taken for it', () => {
  const expected = {
    registry: 'quay.io',
    url: 'https://sigs.example.com',
    prefix: '',
    prefixGuessed: true,
    ca: pem,
  }
  const elsewhere = {
    LOOKASIDE_REGISTRIES: '[{host: docker.io}]',
    LOOKASIDE_SERVER: 'https://no.example.com',
  }
  assert.deepEqual(
    target({ registry: 'quay.io', server: 'https://sigs.example.com/', ca }, elsewhere),
    expected,
  )
  const variables = { LOOKASIDE_SERVER: 'https://sigs.example.com', LOOKASIDE_CA: ca }
  assert.deepEqual(target({ registry: 'quay.io' }, variables), expected)
})

test('what is asked about on the command line goes before what is in the environment', () => {
  const variables = { LOOKASIDE_SERVER: 'https://sigs.example.com', LOOKASIDE_CA: '/nowhere' }
  const { url, ca } = target({ registry: 'quay.io', data }, variables)
  assert.deepEqual({ url, ca }, { url: 'https://localhost:8443', ca: pem })
})

test('clients of a server with a certificate of its operator, or with none, are given no CA', () => {
  assert.equal(target({ registry: 'quay.io', server: 'https://sigs.example.com' }).ca, null)
  assert.equal(target({ registry: 'quay.io', server: 'http://sigs.example.com', ca }).ca, null)
  assert.equal(target({ registry: 'quay.io', config: configFile('tls: {mode: off}\n') }).ca, null)
})

test('a CA that is not there yet is told, with how it comes to be', () => {
  const data = mkdtempSync(join(root, 'empty-'))
  const about = /There is no CA at .*tls\/ca\.crt yet: the server makes it when it starts/
  assert.throws(() => target({ registry: 'quay.io', data }), refused(about))
})

test('what names no registry is refused before it can get into a file name or a script', () => {
  for (const registry of [
    '',
    '../x',
    '..',
    "a'b.example.com",
    'a.example.com/team',
    'index.docker.io',
    'a\nb.example.com',
    'a.example.com\n',
    'default-docker',
    'a b.example.com',
    '$(id).example.com',
    'a.example.com:port',
    'a.example.com:1/',
    '\x1b[2J.example.com',
  ])
    assert.throws(
      () => target({ registry, data }),
      refused(/^[^\x1b\n]* is no registry as image names have it/),
      registry,
    )
})
