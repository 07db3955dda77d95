import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loader, refuses, type Sources } from './loader.ts'

test('cert and key start at the folder of the file, or at the working directory for variables and flags', (t) => {
  const { directory, load } = loader(t)
  for (const name of ['a.crt', 'etc/a.crt', 'etc/a.key']) writeFileSync(join(directory, name), '')
  const yaml = 'tls: { mode: files, cert: a.crt, key: a.key }\ndata: state\n'
  const key = join(directory, 'etc/a.key')
  const config = load({ yaml })
  assert.deepEqual(config.tls, { mode: 'files', cert: join(directory, 'etc/a.crt'), key })
  assert.equal(config.data, join(directory, 'state'))
  const overridden = load({ yaml, env: { LOOKASIDE_TLS_CERT: 'a.crt' } })
  assert.deepEqual(overridden.tls, { mode: 'files', cert: join(directory, 'a.crt'), key })
})

test('a certificate given without a mode is served; one that is not used is warned of', (t) => {
  const { directory, load } = loader(t)
  for (const name of ['a.crt', 'a.key']) writeFileSync(join(directory, name), '')
  const flags = { tls: { cert: 'a.crt', key: 'a.key' } }
  assert.equal(load({ flags }).tls.mode, 'files')
  const off = load({ flags, env: { LOOKASIDE_TLS_MODE: 'off', LOOKASIDE_TLS_NAMES: '[a.example]' } })
  assert.deepEqual(off.tls, { mode: 'off' })
  assert.deepEqual(off.warnings, [
    '--tls-cert is not used, because tls.mode is off.',
    '--tls-key is not used, because tls.mode is off.',
    'LOOKASIDE_TLS_NAMES is not used, because tls.mode is off.',
  ])
})

test('mode files needs both files, and they must be there', (t) => {
  const { directory, load } = loader(t)
  writeFileSync(join(directory, 'a.crt'), '')
  refuses(load, { yaml: 'tls:\n  mode: files\n' }, 'etc/lookaside.yaml:2: tls.mode needs tls.cert as well')
  refuses(load, { flags: { 'tls.cert': 'a.crt' } }, '--tls-cert needs tls.key as well')
  const yaml = 'tls:\n  cert: ../a.crt\n  key: none\n'
  refuses(
    load,
    { yaml },
    `etc/lookaside.yaml:3: tls.key names a file that is not there: ${join(directory, 'etc/none')}`,
  )
  refuses(
    load,
    { flags: { tls: { cert: 'a.crt', key: 'etc' } } },
    `--tls-key must be a file: ${join(directory, 'etc')}`,
  )
})

test('the public URL is kept without its last slash', (t) => {
  const { load } = loader(t)
  const read = (publicUrl: string): string | undefined => load({ flags: { publicUrl } }).publicUrl
  assert.equal(read('https://Sigs.example.com'), 'https://sigs.example.com')
  assert.equal(read('http://[::1]:8080/sigs//'), 'http://[::1]:8080/sigs')
  for (const url of ['sigs.example.com', 'ftp://a', 'https://u:p@a', 'https://a/?q', 'https://a/#f', '']) {
    assert.throws(
      () => read(url),
      /--publicUrl must be an http or https URL without credentials or query/,
      url,
    )
  }
})

test('a registry is named once, as references to images have it', (t) => {
  const { load } = loader(t)
  const hosts = (...names: string[]): Sources => ({ flags: { registries: names.map((host) => ({ host })) } })
  assert.equal(load(hosts('docker.io', 'localhost', 'localhost:5000', '[::1]:5000')).registries?.length, 4)
  for (const host of [
    'registry',
    'index.docker.io',
    'quay.io/team',
    'a b.c',
    'https://quay.io',
    'quay.io:',
    '',
  ]) {
    assert.throws(() => load(hosts(host)), /^Refusal: --registries: registries\[0\]\.host must be/, host)
  }
  refuses(
    load,
    hosts('quay.io', 'docker.io', 'quay.io'),
    '--registries: registries[2].host is there twice: quay.io',
  )
})

test('hosts may share a prefix, but none may lie inside another', (t) => {
  const { load } = loader(t)
  const prefixes = (...names: string[]): Sources => ({
    flags: { registries: names.map((prefix, index) => ({ host: `r${index}.example`, prefix })) },
  })
  assert.equal(load(prefixes('a', 'a', 'ab', '', 'b/c')).registries?.length, 5)
  const message = 'lies inside the prefix of'
  refuses(load, prefixes('a/b', '', 'a'), `--registries: registries[0].prefix ${message} r2.example, a: a/b`)
  refuses(load, prefixes('a', 'a/b/c'), `--registries: registries[1].prefix ${message} r0.example, a: a/b/c`)
  assert.throws(
    () => load(prefixes('../a')),
    /registries\[0\]\.prefix cannot be used: "\.\.\/a" is not a repository name/,
  )
})

test('digest views have bases of their own and patterns', (t) => {
  const { load } = loader(t)
  const yaml =
    'digestViews:\n  - { base: "", repositories: ["**"] }\n  - { base: a/b, repositories: [team/*] }\n'
  assert.deepEqual(load({ yaml }).digestViews, [
    { base: '', repositories: ['**'] },
    { base: 'a/b', repositories: ['team/*'] },
  ])
  refuses(
    load,
    { yaml: yaml.replace('a/b', '""') },
    'etc/lookaside.yaml:3: digestViews[1].base is the base of another digest view: ""',
  )
  refuses(
    load,
    { yaml: 'digestViews: [{ base: a }]\n' },
    'etc/lookaside.yaml:1: digestViews[0] has no repositories',
  )
  assert.throws(() => load({ yaml: yaml.replace('a/b', '/a') }), /:3: digestViews\[1\]\.base cannot be used/)
})

test('the registry behind is an origin; its CA is a file', (t) => {
  const { directory, load } = loader(t)
  writeFileSync(join(directory, 'etc/ca.crt'), '')
  const yaml =
    'registry: { upstream: "https://Registry.internal:443/", ca: ca.crt, host: "a.example:5000" }\n'
  assert.deepEqual(load({ yaml }).registry, {
    upstream: 'https://registry.internal',
    ca: join(directory, 'etc/ca.crt'),
    host: 'a.example:5000',
    delegate: false,
    anonymous: false,
  })
  for (const upstream of [
    'https://a.example/path',
    'https://a.example/v2/',
    'https://a.example/?q',
    'https://a.example/#f',
    'https://u:p@a.example',
    'ftp://a.example',
    'a.example:5000',
    'localhost',
  ])
    refuses(
      load,
      { yaml: `registry: { upstream: "${upstream}" }\n` },
      `etc/lookaside.yaml:1: registry.upstream must be an http or https URL without a path or credentials, not "${upstream}"`,
    )
  refuses(
    load,
    { yaml: 'registry:\n  upstream: https://a.example\n  ca: none.crt\n' },
    `etc/lookaside.yaml:3: registry.ca names a file that is not there: ${join(directory, 'etc/none.crt')}`,
  )
  for (const host of ['registry', 'index.docker.io', 'a.example/team', 'https://a.example', 'a b.c'])
    refuses(
      load,
      { yaml: `registry: { host: "${host}" }\n` },
      `etc/lookaside.yaml:1: registry.host must be a registry as image names have it, not "${host}"`,
    )
})

test('a registry that decides who may sign is one that can be asked', (t) => {
  const { load } = loader(t)
  const registry = 'registry: { upstream: "http://localhost:5000", delegate: true, anonymous: true }\n'
  assert.equal(load({ yaml: registry }).registry.anonymous, true)
  refuses(
    load,
    { yaml: 'registry:\n  delegate: true\n' },
    'etc/lookaside.yaml:2: registry.delegate needs registry.upstream as well',
  )
  refuses(
    load,
    { yaml: 'registry:\n  upstream: http://localhost:5000\n  anonymous: true\n' },
    'etc/lookaside.yaml:3: registry.anonymous needs registry.delegate as well',
  )
  refuses(
    load,
    { env: { LOOKASIDE_REGISTRY_DELEGATE: 'true' } },
    'LOOKASIDE_REGISTRY_DELEGATE needs registry.upstream as well',
  )
})

test('a registry that decides is told from the others that are served', (t) => {
  const { load } = loader(t)
  const registries =
    'registries: [{ host: a.example }, { host: b.example }, { host: c.example, prefix: c }]\n'
  const yaml = (more: string) =>
    `${registries}registry:\n  upstream: http://localhost:5000\n  delegate: true\n${more}`
  assert.equal(load({ yaml: yaml('  host: c.example\n') }).registry.host, 'c.example')
  // Where all share one space, no name leads to another.
  assert.equal(load({ yaml: yaml('').replace(', prefix: c', '') }).registry.delegate, true)
  assert.equal(load({ yaml: yaml('').replace('delegate: true', 'delegate: false') }).registry.delegate, false)
  refuses(
    load,
    { yaml: yaml('') },
    'etc/lookaside.yaml:4: registry.delegate needs registry.host: which of the registries decides',
  )
  refuses(
    load,
    { yaml: yaml('  host: d.example\n') },
    'etc/lookaside.yaml:5: registry.host is not in registries: d.example',
  )
})
