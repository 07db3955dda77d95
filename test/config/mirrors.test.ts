import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loader, refuses, type Sources } from './loader.ts'

/** A loader with the files that mirrors name, and mirrors by their sources and prefixes. */
function mirrorLoader(t: TestContext) {
  const { directory, load } = loader(t)
  for (const name of ['policy.json', 'images', 'ca.crt', 'token']) writeFileSync(join(directory, name), '')
  const mirrors = (list: [from: string, prefix: string][], more: Record<string, unknown> = {}): Sources => ({
    flags: { mirrors: list.map(([from, prefix]) => ({ from, prefix, policy: 'policy.json' })), ...more },
  })
  return { directory, load, mirrors }
}

test('a mirror is a URL, a policy, and files that can be read', (t) => {
  const { directory, load } = mirrorLoader(t)
  const yaml = [
    'mirrors:',
    '  - { from: "HTTPS://Sigs.Vendor.example:443/signatures//", policy: ../policy.json }',
    '  - { from: "http://a.example", prefix: a/b, policy: ../policy.json, every: 2h, images: ../images,',
    '      ca: ../ca.crt, tokenFile: ../token }',
    '',
  ].join('\n')
  const policy = join(directory, 'policy.json')
  assert.deepEqual(load({ yaml }).mirrors, [
    { from: 'https://sigs.vendor.example/signatures', prefix: '', policy, everySeconds: 60 },
    {
      from: 'http://a.example',
      prefix: 'a/b',
      policy,
      everySeconds: 7200,
      images: join(directory, 'images'),
      ca: join(directory, 'ca.crt'),
      tokenFile: join(directory, 'token'),
    },
  ])
  for (const key of ['policy', 'images', 'ca', 'tokenFile'])
    refuses(
      load,
      { flags: { mirrors: [{ from: 'https://a.example', policy: 'policy.json', [key]: 'none' }] } },
      `--mirrors: mirrors[0].${key} names a file that is not there: ${join(directory, 'none')}`,
    )
})

test('a mirror without a policy is refused', (t) => {
  const { load } = mirrorLoader(t)
  refuses(
    load,
    { yaml: 'mirrors: [{ from: "https://a.example" }]\n' },
    'etc/lookaside.yaml:1: mirrors[0] has no policy',
  )
})

test('the URL of a source has neither credentials nor query, and no message shows credentials', (t) => {
  const { load, mirrors } = mirrorLoader(t)
  const message = '--mirrors: mirrors[0].from must be an http or https URL without credentials or query'
  for (const from of ['a.example', 'ftp://a.example', 'https://a.example/?q', 'https://a.example/#f', '/srv'])
    refuses(load, mirrors([[from, '']]), `${message}, not "${from}"`)
  for (const from of ['https://user:secret@a.example', 'https://secret@a.example/', 'user:secret@a.example'])
    refuses(load, mirrors([[from, '']]), message)
})

test('a source is looked through once a second at the most and once a week at the least', (t) => {
  const { load } = mirrorLoader(t)
  const every = (text: string): Sources => ({
    flags: { mirrors: [{ from: 'https://a.example', policy: 'policy.json', every: text }] },
  })
  assert.equal(load(every('1s')).mirrors[0]?.everySeconds, 1)
  assert.equal(load(every('7d')).mirrors[0]?.everySeconds, 604_800)
  for (const text of ['0s', '60', '1.5s', '-1s', '500ms'])
    assert.throws(() => load(every(text)), /mirrors\[0\]\.every cannot be used: .* is not a duration/, text)
  refuses(load, every('8d'), '--mirrors: mirrors[0].every must be at most 7d, not "8d"')
})

test('a prefix belongs to one mirror', (t) => {
  const { load, mirrors } = mirrorLoader(t)
  const [a, b, c] = ['https://a.example', 'https://b.example', 'https://c.example'] as const
  assert.equal(
    load(
      mirrors([
        [a, ''],
        [b, ''],
        [c, 'c'],
        [a, 'cd'],
        [b, 'e/f'],
      ]),
    ).mirrors.length,
    5,
  )
  const at = '--mirrors: mirrors[1]'
  refuses(
    load,
    mirrors([
      [a, 'x'],
      [b, 'x'],
    ]),
    `${at}.prefix is that of another mirror, of ${a}: x`,
  )
  refuses(
    load,
    mirrors([
      [a, 'x'],
      [b, 'x/y'],
    ]),
    `${at}.prefix lies inside the prefix of the mirror of ${a}, x: x/y`,
  )
  refuses(
    load,
    mirrors([
      [a, 'x/y'],
      [b, 'x'],
    ]),
    `${at}.prefix lies around the prefix of the mirror of ${a}, x/y: x`,
  )
  refuses(
    load,
    mirrors([
      [a, ''],
      [`${a}/`, ''],
    ]),
    `${at}.from is there twice: ${a}`,
  )
  refuses(
    load,
    mirrors([
      [a, 'x'],
      [a, 'x'],
    ]),
    `${at}.from is there twice: ${a}`,
  )
  assert.throws(
    () => load(mirrors([[a, '../x']])),
    /mirrors\[0\]\.prefix cannot be used: "\.\.\/x" is not a repository/,
  )
})

test('a mirror may be that of a registry, but has no part of the prefix of one', (t) => {
  const { load, mirrors } = mirrorLoader(t)
  const from = 'https://a.example'
  const registries = [{ host: 'r.example' }, { host: 'q.example', prefix: 'q/images' }]
  const read = (prefix: string) => mirrors([[from, prefix]], { registries })
  for (const prefix of ['', 'q/images', 'q/images2', 'other'])
    assert.equal(load(read(prefix)).mirrors[0]?.prefix, prefix)
  const at = '--mirrors: mirrors[0].prefix'
  refuses(load, read('q/images/a'), `${at} lies inside the prefix of q.example, q/images: q/images/a`)
  refuses(load, read('q'), `${at} lies around the prefix of q.example, q/images: q`)
})

test('the grace time is no less than what caches may keep', (t) => {
  const { load } = loader(t)
  const grace = (yaml: string) => load({ yaml }).withdraw.graceSeconds
  assert.equal(grace('reads: { cacheSeconds: 200 }\n'), 300)
  assert.equal(grace('reads: { cacheSeconds: 400 }\n'), 400)
  assert.equal(grace('withdraw: { graceSeconds: 0 }\n'), 0)
})

test('what is published is apart from the data folder and from each other', (t) => {
  const { directory, load } = loader(t)
  const publish = (...directories: string[]): Sources => ({
    flags: { data: 'data', publish: directories.map((each) => ({ directory: each })) },
  })
  const full = (path: string) => join(directory, path)
  assert.deepEqual(load(publish('out', 'out2/', '/srv/sigs', 'data2')).publish, [
    { directory: full('out') },
    { directory: full('out2') },
    { directory: '/srv/sigs' },
    { directory: full('data2') },
  ])
  assert.deepEqual(load({ yaml: 'publish: [{ directory: out }]\n' }).publish, [
    { directory: full('etc/out') },
  ])
  for (const path of ['data', 'data/', 'data/tree', '.', '/', 'out/../data/x']) {
    const named = path === '/' ? path : join(directory, path).replace(/\/$/, '')
    refuses(
      load,
      publish(path),
      `--publish: publish[0].directory must be apart from the data folder, ${full('data')}: ${named}`,
    )
  }
  const at = '--publish: publish[1].directory'
  refuses(load, publish('out', './out/'), `${at} is there twice: ${full('out')}`)
  refuses(load, publish('out', 'out/in'), `${at} must be apart from ${full('out')}: ${full('out/in')}`)
  refuses(load, publish('out/in', 'out'), `${at} must be apart from ${full('out/in')}: ${full('out')}`)

  mkdirSync(full('data/tree'), { recursive: true })
  symlinkSync(full('data/tree'), full('link'))
  symlinkSync(full('.'), full('here'))
  refuses(
    load,
    publish('link/new'),
    `--publish: publish[0].directory must be apart from the data folder, ${full('data')}: ${full('link/new')}`,
  )
  refuses(load, publish('out', 'here/out'), `${at} is there twice: ${full('here/out')}`)
})
