import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { loader, refuses, type Sources } from './loader.ts'

test('without any source the defaults hold', (t) => {
  const { directory, load } = loader(t)
  const defaults: Config = {
    data: join(directory, 'data'),
    listen: { host: 'localhost', port: 8443 },
    tls: { mode: 'auto', names: [] },
    workers: 'auto',
    gates: {},
    reads: { cacheSeconds: 0, private: false },
    uploads: { maxBytes: 131072, sigstoreJson: false, stallSeconds: 30 },
    withdraw: { graceSeconds: 300 },
    digestViews: [],
    tree: { enabled: true },
    registry: { delegate: false, anonymous: false },
    trustedProxies: [],
    oidc: [],
    clients: [],
    mirrors: [],
    publish: [],
    audit: { days: 90, rows: 500_000 },
    log: { level: 'info' },
    warnings: [],
  }
  assert.deepEqual(load({}), defaults)
  assert.deepEqual(load({ yaml: '' }), defaults)
  assert.deepEqual(load({ yaml: '# nothing\ntls:\nreads: {}\n' }), defaults)
})

test('the environment goes before the file and flags before both, key by key', (t) => {
  const { load } = loader(t)
  const yaml = 'reads: { cacheSeconds: 1, private: true }\nlog: { level: warn }\nworkers: 2\n'
  const config = load({
    yaml,
    env: { LOOKASIDE_READS_CACHE_SECONDS: '2', LOOKASIDE_LOG_LEVEL: 'debug', LOOKASIDE_WORKERS: '3' },
    flags: { workers: '4', reads: { private: undefined } },
  })
  assert.deepEqual(config.reads, { cacheSeconds: 2, private: true })
  assert.deepEqual([config.log.level, config.workers], ['debug', 4])
})

test('a variable holds text as it stands, and lists and sections as YAML', (t) => {
  const { load } = loader(t)
  const config = load({
    env: {
      LOOKASIDE_DATA: '/srv/@odd: #name',
      LOOKASIDE_TLS_MODE: 'off',
      LOOKASIDE_UPLOADS: '{ maxBytes: 1000, stallSeconds: 5 }',
      LOOKASIDE_UPLOADS_MAX_BYTES: '2000',
      LOOKASIDE_REGISTRIES: '[{ host: quay.io, prefix: quay.io }, { "host": "docker.io" }]',
      LOOKASIDE_WORKERS: '',
    },
  })
  assert.equal(config.data, '/srv/@odd: #name')
  assert.deepEqual(config.tls, { mode: 'off' })
  assert.deepEqual(config.uploads, { maxBytes: 2000, sigstoreJson: false, stallSeconds: 5 })
  assert.deepEqual(config.registries, [
    { host: 'quay.io', prefix: 'quay.io' },
    { host: 'docker.io', prefix: '' },
  ])
  assert.equal(config.workers, 'auto')
})

test('flags may be dotted or nested', (t) => {
  const { load } = loader(t)
  const flags = {
    'tls.mode': 'auto',
    tls: { names: ['Sigs.Example.com'] },
    listen: ':0',
    uploads: { sigstoreJson: true },
  }
  const config = load({ flags })
  assert.deepEqual(config.tls, { mode: 'auto', names: ['sigs.example.com'] })
  assert.deepEqual(config.listen, { host: '', port: 0 })
  assert.equal(config.uploads.sigstoreJson, true)
})

test('what is wrong in the file is told with file, line and key', (t) => {
  const { load } = loader(t)
  const cases: [string, string][] = [
    ['data: x\nlisten: y:z\n', ':2: listen must be HOST:PORT, [IPV6]:PORT or :PORT, not "y:z"'],
    ['tls:\n  mod: off\n', ':2: tls.mod is not a known key; tls has mode, cert, key, clientCa, names'],
    [
      'polcy: x\n',
      ':1: polcy is not a known key; the configuration has data, listen, publicUrl, tls, trustedProxies, workers, registries, policy, gates, reads, uploads, withdraw, digestViews, tree, registry, oidc, clients, mirrors, publish, audit, log',
    ],
    [
      '__proto__: {}\n',
      ':1: __proto__ is not a known key; the configuration has data, listen, publicUrl, tls, trustedProxies, workers, registries, policy, gates, reads, uploads, withdraw, digestViews, tree, registry, oidc, clients, mirrors, publish, audit, log',
    ],
    ['tls:\n  mode: on\n', ':2: tls.mode must be auto, files or off, not "on"'],
    ['workers: 65\n', ':1: workers must be an integer from 1 to 64 or auto, not 65'],
    ['workers: "4"\n', ':1: workers must be an integer from 1 to 64 or auto, not "4"'],
    ['reads:\n  private: yes\n', ':2: reads.private must be true or false, not "yes"'],
    [
      'uploads: { maxBytes: 4194305 }\n',
      ':1: uploads.maxBytes must be an integer from 1 to 4194304, not 4194305',
    ],
    ['tls: off\n', ':1: tls must be a mapping with mode, cert, key, clientCa, names, not "off"'],
    [
      '- data\n',
      ':1: the configuration must be a mapping with data, listen, publicUrl, tls, trustedProxies, workers, registries, policy, gates, reads, uploads, withdraw, digestViews, tree, registry, oidc, clients, mirrors, publish, audit, log, not a list',
    ],
    ['data:\n', ':1: data must be text that is not empty, but there is no value'],
    [
      'log: { level: info }\nregistries:\n',
      ':2: registries must be a list that is not empty, but there is no value',
    ],
    ['registries: []\n', ':1: registries must be a list that is not empty'],
    ['registries:\n  - { host: quay.io }\n  - { prefix: a }\n', ':3: registries[1] has no host'],
    ['registries:\n  -\n', ':2: registries[0] must be a mapping with host, prefix, but there is no value'],
    [
      'registries:\n  - host: quay.io\n    prefx: a\n',
      ':3: registries[0].prefx is not a known key; registries[0] has host, prefix',
    ],
    ['data: a\ndata: b\n', ':2: data is there twice'],
    ['data: "a\n', ':2: Missing closing "quote'],
    ['data: !secret x\n', ':1: Unresolved tag: !secret'],
    ['data: a\n---\ndata: b\n', ':2: a second document starts here'],
  ]
  for (const [yaml, message] of cases) refuses(load, { yaml }, `etc/lookaside.yaml${message}`)
})

test('a value behind an alias is told with the line of what it stands for', (t) => {
  const { load } = loader(t)
  const yaml =
    'digestViews:\n  - { base: a, repositories: &all ["**"] }\n  - { base: b, repositories: *all }\n'
  assert.deepEqual(
    load({ yaml }).digestViews.map(({ repositories }) => repositories),
    [['**'], ['**']],
  )
  const broken = yaml.replace('"**"', '\n    "**",\n    "A"')
  refuses(
    load,
    { yaml: broken },
    'etc/lookaside.yaml:4: digestViews[0].repositories[1] cannot be used: "A" is not a repository pattern: write team/app, team/*, team/** or **.',
  )
})

test('aliases that multiply are refused', (t) => {
  const { load } = loader(t)
  const levels = Array.from(
    { length: 12 },
    (_, n) => `k${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`,
  )
  const yaml = `k0: &a0 [x]\n${levels.join('\n')}\n`
  refuses(load, { yaml }, 'etc/lookaside.yaml: Excessive alias count indicates a resource exhaustion attack')
})

test('what is wrong in a variable or flag is told with its name', (t) => {
  const { load } = loader(t)
  const cases: [Sources, string][] = [
    [
      { env: { LOOKASIDE_READS_CACHE_SECONDS: 'ten' } },
      'LOOKASIDE_READS_CACHE_SECONDS must be an integer from 0 to 86400, not "ten"',
    ],
    [
      { env: { LOOKASIDE_LISTEN: '8443' } },
      'LOOKASIDE_LISTEN must be HOST:PORT, [IPV6]:PORT or :PORT, not "8443"',
    ],
    [{ env: { LOOKASIDE_TLS_NAMES: 'a.example' } }, 'LOOKASIDE_TLS_NAMES must be a list, not "a.example"'],
    [
      { env: { LOOKASIDE_TLS_NAMES: '[a.example, "*.b"]' } },
      'LOOKASIDE_TLS_NAMES: tls.names[1] must be a DNS name or an IP address, not "*.b"',
    ],
    [
      { env: { LOOKASIDE_TLS: '{ modus: off }' } },
      'LOOKASIDE_TLS: tls.modus is not a known key; tls has mode, cert, key, clientCa, names',
    ],
    [
      { env: { LOOKASIDE_REGISTRIES: '[{ host: ' } },
      'LOOKASIDE_REGISTRIES:1: Flow map in block collection must be sufficiently indented and end with a }',
    ],
    [{ flags: { 'tls.mode': 'on' } }, '--tls must be auto, files or off, not "on"'],
    [{ flags: { workers: '0' } }, '--workers must be an integer from 1 to 64 or auto, not 0'],
    [{ flags: { nonsense: 'x' } }, '--nonsense is not a configuration key'],
    [{ flags: { listen: 'a\nb:1' } }, '--listen must be HOST:PORT, [IPV6]:PORT or :PORT, not "a b:1"'],
  ]
  for (const [sources, message] of cases) refuses(load, sources, message)
})

test('a file that is not there is refused', (t) => {
  const { directory } = loader(t)
  const sources = { env: {}, flags: {}, workingDirectory: directory }
  assert.throws(
    () => loadConfig({ ...sources, file: 'none.yaml' }),
    /^Refusal: none\.yaml: there is no such file$/,
  )
  assert.throws(() => loadConfig({ ...sources, file: 'etc' }), /^Refusal: etc: cannot be read: EISDIR$/)
})

test('a wrong value is refused even where a later source replaces it', (t) => {
  const { load } = loader(t)
  const sources = { yaml: 'log: { level: loud }\n', flags: { 'log.level': 'info' } }
  assert.throws(() => load(sources), /lookaside\.yaml:1: log\.level must be/)
})

test('unknown variables are warned of; those of the client and of Kubernetes are not', (t) => {
  const { load } = loader(t)
  const known = ['SERVER', 'TOKEN', 'CA', 'PORT', 'PORT_8443_TCP_ADDR', 'SERVICE_HOST', 'SERVICE_PORT_HTTPS']
  const env = Object.fromEntries(known.map((name) => [`LOOKASIDE_${name}`, 'x']))
  assert.deepEqual(load({ env: { ...env, PATH: '/bin', LOOKASIDEX: '1' } }).warnings, [])
  assert.deepEqual(load({ env: { LOOKASIDE_TLS_MOD: 'off' } }).warnings, [
    'LOOKASIDE_TLS_MOD is not a variable of the configuration and is ignored.',
  ])
})
