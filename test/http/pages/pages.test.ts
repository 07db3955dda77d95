import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packetTag } from '../../../src/openpgp/packets.ts'
import type { KeyringKey } from '../../../src/storage/verdicts.ts'
import { literal, mpi, onePass, packet, signature } from '../../openpgp/write.ts'
import { ask, folderWithKeys, testServer } from '../../server.ts'
import { claimOf, exampleDigest, exampleReference, newBlob } from '../../signing.ts'
import { always, key } from '../../storage/judged.ts'
import { temporaryFolder } from '../../temporary.ts'
import { upload, withdraw } from '../withdrawing.ts'
import { get, page } from './browse.ts'

const policy = join(temporaryFolder(), 'closed.json')
writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }] }))
const gates = { production: { policy, thresholds: [], maxAge: null, index: 'ignored' as const } }

const hostile = `</code><script>alert(1)</script>"'><img src=x onerror=alert(1)>&lt;`
const bidi = 'abc\u202egpj.exe\u200b'

/** A signature whose claim says whatever its signer likes where a claim may. */
function hostileBlob(): Buffer {
  const claim = JSON.parse(claimOf())
  claim.optional = { creator: hostile, note: [hostile, bidi], [hostile]: bidi }
  return Buffer.concat([
    packet(packetTag.onePassSignature, onePass()),
    packet(packetTag.literal, literal(JSON.stringify(claim))),
    packet(packetTag.signature, signature({ value: mpi(Buffer.alloc(256, 0xa5)) })),
  ])
}

const digestPath = (letter = 'a') => `/repositories/team/app@${exampleDigest(letter)}`
const tagged = encodeURIComponent(exampleReference)
const every = (id: number) => [
  '/',
  `/search?q=${tagged}`,
  `/search?q=${encodeURIComponent(hostile)}`,
  `/search?q=${encodeURIComponent(bidi)}`,
  '/repositories',
  `/repositories?start=${encodeURIComponent(hostile)}`,
  '/repositories/team/app',
  `/repositories/team/app?reference=${tagged}`,
  digestPath(),
  `/digests/${exampleDigest()}`,
  '/keys',
  '/keys/0123456789ABCDEF',
  `/signature/${id}`,
  '/activity',
  '/gates',
  '/gates/production',
  `/gates/production?image=${tagged}`,
  `/gates/production?image=${tagged}&digest=${exampleDigest()}`,
  '/mirrors',
  '/client',
  '/client?registry=registry.example.com',
]

test('each page is whole, loads nothing but its style and icon, and says so in its policy', async () => {
  const server = await testServer({ gates })
  const id = await upload(server, hostileBlob())
  const gone = await upload(server, newBlob({ digest: exampleDigest('b') }))
  assert.equal((await withdraw(server, `/${gone}`)).status, 200)
  for (const path of [...every(id), `/signature/${gone}`, digestPath('b')]) {
    const { headers } = await get(server, path)
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; style-src 'self'; img-src 'self'/,
    )
    assert.doesNotMatch(String(headers['content-security-policy']), /unsafe/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'same-origin')
    const text = await page(server, path)
    assert.ok(text.startsWith('<!doctype html>\n<html lang="en">'), path)
    assert.equal(text.match(/<h1>/g)?.length, 1, path)
    assert.ok(text.includes('<main id="main"') && text.includes('href="#main"'), path)
    assert.doesNotMatch(
      text,
      /<script|<style|<img|<iframe|<object|<base|\sstyle=|\son[a-z]+=(?![^<]*&gt;)/i,
      path,
    )
    assert.deepEqual(text.match(/\p{Cf}/gu), null, path)
    for (const [, address] of text.matchAll(/\s(?:href|src|action)="([^"]*)"/g))
      assert.match(address as string, /^(?:\/[\w/?=&;.:@%+*-]*|#main)$/, path)
    for (const [, address] of text.matchAll(/<a [^>]*href="(\/[^"]*)"/g)) {
      const { status } = await get(server, (address as string).replaceAll('&amp;', '&'))
      assert.ok(status < 400, `${path} leads to ${address}: ${status}`)
    }
  }
})

test('what a claim and a reason say is shown as it is, with what could deceive spelled out', async () => {
  const server = await testServer()
  const id = await upload(server, hostileBlob())
  const text = await page(server, `/signature/${id}`)
  assert.ok(text.includes('&lt;script&gt;alert(1)&lt;/script&gt;'))
  assert.ok(text.includes('abc\\u{202e}gpj.exe\\u{200b}'))
  const token = await server.token('withdraw:**')
  const path = `/api/v1/signatures/${id}?reason=${encodeURIComponent(hostile)}`
  assert.equal((await ask(server, 'DELETE', path, { token })).status, 200)
  for (const path of ['/activity', `/signature/${id}`, '/']) {
    const shown = await page(server, path)
    assert.ok(shown.includes('&lt;script&gt;alert(1)&lt;/script&gt;'), path)
    assert.ok(!shown.includes('<script'), path)
  }
  const image = await page(server, digestPath())
  assert.ok(
    image.includes('No longer served') && image.includes(`<a href="/signature/${id}">${id}</a> withdrawn`),
  )
  const gone = await page(server, `/signature/${id}`)
  assert.ok(gone.includes('not served any more') && gone.includes('withdrawn'))
  assert.ok(!gone.includes('abc\\u{202e}'), 'the claim of one that was withdrawn')
})

test('a search leads to what was meant, however it was written', async () => {
  const server = await testServer()
  await upload(server, newBlob())
  const leadsTo = async (q: string) => {
    const { status, headers } = await get(server, `/search?q=${encodeURIComponent(q)}`)
    return [status, headers.location]
  }
  const digest = exampleDigest()
  assert.deepEqual(await leadsTo(` ${digest} `), [303, `/digests/${digest}`])
  assert.deepEqual(await leadsTo(digest.slice(7)), [303, `/digests/${digest}`])
  assert.deepEqual(await leadsTo('0x0123456789abcdef'), [303, '/keys/0123456789ABCDEF'])
  assert.deepEqual(await leadsTo(`${'ABCD '.repeat(10)}`), [303, `/keys/${'ABCD'.repeat(10)}`])
  assert.deepEqual(await leadsTo(`${exampleReference}@${digest}`), [303, `/repositories/team/app@${digest}`])
  assert.deepEqual(await leadsTo(''), [303, '/'])
  assert.deepEqual(await leadsTo(`${digest.slice(0, 23)}…`), [303, `/digests/${digest}`])
  assert.deepEqual(await leadsTo(digest.slice(7, 19)), [303, `/digests/${digest}`])
  for (const q of [exampleReference, 'registry.example.com/team/app', 'team/app', 'team', 'app', 'am/ap'])
    assert.match(await page(server, `/search?q=${q}`), /href="\/repositories\/team\/app/, q)
  const unsigned = await page(server, '/search?q=registry.example.com/team/app:9')
  assert.match(unsigned, /href="\/repositories\/team\/app"/)
  assert.match(unsigned, /signed as <bdi>registry\.example\.com\/team\/app:9</)
  assert.doesNotMatch(unsigned, /docker\.io/)
  const implied = await page(server, '/search?q=team/app:9')
  assert.match(implied, /signed as <bdi>docker\.io\/team\/app:9<\/bdi>\.<\/strong> A name without a registry/)
  assert.doesNotMatch(await page(server, '/search?q=team/app'), /docker\.io/)
  assert.match(await page(server, '/search?q=nobody'), /Nothing is known here/)
})

test('a key that is known here is found by the end of its fingerprint, and its page says what state it is in', async () => {
  const keys = [key('A'), key('B', always('revoked')), key('C', always('key-expired'))]
  const server = await testServer({ data: await folderWithKeys(keys) })
  for (const [at, words] of ['Good key', 'Key revoked', 'Key expired'].entries()) {
    const { fingerprint, userId } = keys[at] as KeyringKey
    assert.match(
      await page(server, `/keys/${fingerprint}`),
      new RegExp(`${userId}</bdi>.*?</span> ${words}<`),
    )
    const found = await page(server, `/search?q=0x${fingerprint.slice(-8).toLowerCase()}`)
    assert.ok(found.includes(`<bdi>${userId}</bdi>`))
  }
  assert.match(await page(server, '/search?q=0c0c0c1c'), /Nothing is known here/)
  const listed = await page(server, '/keys')
  const states = [...listed.matchAll(/<\/span> (Good key|Key revoked|Key expired)</g)].map(
    ([, state]) => state,
  )
  assert.deepEqual(states, ['Good key', 'Key revoked', 'Key expired'])
})

test('long lists come in pages, and each thing is on one of them', async () => {
  const server = await testServer()
  const letters = '0123456789abcdef'
  const digests = [...letters].flatMap((one) => [...'01'].map((other) => `${one}${other}`.repeat(32)))
  for (const [at, digest] of digests.entries())
    await upload(
      server,
      newBlob({ digest: `sha256:${digest}`, reference: `registry.example.com/team/app:${at}` }),
    )
  const walk = async (path: string, link: RegExp): Promise<string[]> => {
    const text = await page(server, path)
    const next = /<a rel="next" href="([^"]*)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
    const found = [...text.matchAll(link)].map(([, what]) => what as string)
    return next === undefined ? found : [...found, ...(await walk(next, link))]
  }
  const listed = await walk('/repositories/team/app', /@sha256:([0-9a-f]{64})"/g)
  assert.deepEqual(listed, digests.toReversed())
  const logged = await walk('/activity', /href="\/signature\/(\d+)"/g)
  assert.deepEqual(logged.map(Number), [...digests.keys()].map((at) => at + 1).reverse())
  assert.deepEqual(await walk('/activity?before=3', /href="\/signature\/(\d+)"/g), ['2', '1'])
})

test('a gate names what is not met, and offers digests for a tag', async () => {
  const server = await testServer({ gates })
  await upload(server, newBlob())
  const ofDigest = await page(server, `/gates/production?image=${tagged}&digest=${exampleDigest()}`)
  assert.match(ofDigest, /Does not pass/)
  assert.match(ofDigest, /The policy rejects the image/)
  assert.match(await page(server, digestPath()), /Does not pass.*production/)
  const ofTag = await page(server, `/gates/production?image=${tagged}`)
  assert.ok(ofTag.includes(`digest=${encodeURIComponent(exampleDigest())}`))
})

test('where reads are private, pages ask for a token and show what its holder may read', async () => {
  const server = await testServer({ gates, reads: { cacheSeconds: 0, private: true } })
  const id = await upload(server, newBlob())
  for (const path of every(id)) {
    const { status, headers, body } = await get(server, path)
    assert.equal(status, 401, path)
    assert.match(String(headers['www-authenticate']), /^Basic realm="lookaside"/)
    assert.match(String(headers['content-type']), /^text\/html/)
    assert.doesNotMatch(body.toString(), /team\/app/)
  }
  for (const path of ['/style.css', '/icon.svg']) assert.equal((await get(server, path)).status, 200, path)

  const [own, other, all, admin] = await Promise.all(
    ['read:team/*', 'read:other/*', 'read:**', 'admin'].map((scope) => server.token(scope)),
  )
  const statuses = async (token: string | undefined) => {
    const found: Record<string, number> = {}
    for (const path of [
      '/',
      '/repositories',
      '/keys',
      '/activity',
      '/mirrors',
      `/digests/${exampleDigest()}`,
    ])
      found[path] = (await get(server, path, token)).status
    for (const path of ['/repositories/team/app', digestPath(), `/signature/${id}`])
      found[path] = (await get(server, path, token)).status
    found.gate = (await get(server, `/gates/production?image=${tagged}`, token)).status
    return Object.values(found)
  }
  assert.deepEqual(await statuses(own), [200, 403, 403, 403, 403, 403, 200, 200, 200, 200])
  assert.deepEqual(await statuses(other), [200, 403, 403, 403, 403, 403, 403, 403, 404, 403])
  assert.deepEqual(await statuses(all), [200, 200, 200, 200, 200, 200, 200, 200, 200, 200])
  assert.doesNotMatch(await page(server, '/', other), /team\/app/)
  assert.doesNotMatch(await page(server, `/search?q=${tagged}`, other), /href="\/repositories\/team/)
  assert.match(await page(server, `/search?q=${tagged}`, own), /href="\/repositories\/team/)

  // Who uploaded what is for administrators.
  for (const path of ['/activity', `/signature/${id}`]) {
    assert.doesNotMatch(await page(server, path, all), /token:/, path)
    assert.match(await page(server, path, admin), /token:[0-9a-f]{8} tester/, path)
  }
})

test('errors are pages for who looks at them in a browser, and problem documents for programs', async () => {
  const server = await testServer({ gates })
  const cases: [string, number][] = [
    ['/nothing', 404],
    ['/signature/1', 404],
    ['/signature/0x1', 404],
    ['/signature/%3Cscript%3E', 404],
    ['/keys/%3Cscript%3E', 404],
    ['/gates/__proto__', 404],
    ['/gates/production?image=Not%20An%20Image', 400],
    ['/gates/production?image=a&image=b', 400],
    ['/repositories/Team', 400],
    ['/repositories/team/app@sha256:short', 400],
    ['/repositories/team/app@a@b', 404],
    ['/repositories?after=%3Cscript%3E', 400],
    ['/digests/%3Cscript%3E', 400],
    ['/activity?before=-1', 400],
    ['/activity?before=1e3', 400],
    ['/client?registry=%27%3Cscript%3E', 400],
    [`/search?q=${'a'.repeat(1025)}`, 400],
    ['/%ff', 400],
  ]
  for (const [path, status] of cases) {
    const seen = await get(server, path)
    assert.equal(seen.status, status, path)
    assert.match(String(seen.headers['content-type']), /^text\/html/, path)
    assert.match(String(seen.headers['content-security-policy']), /default-src 'none'/, path)
    assert.doesNotMatch(seen.body.toString(), /<script/, path)
    for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
      const read = await ask(server, 'GET', path, { headers })
      assert.deepEqual(
        [read.status, read.headers['content-type']],
        [status, 'application/problem+json'],
        path,
      )
    }
  }
  const ofApi = await get(server, '/api/v1/signatures/9')
  assert.equal(ofApi.headers['content-type'], 'application/problem+json')
})

test('no page makes markup of text: whatever is shown is escaped', () => {
  const folder = join(import.meta.dirname, '../../../src/http/pages')
  for (const file of readdirSync(folder)) {
    const source = readFileSync(join(folder, file), 'utf8')
    assert.doesNotMatch(source, /\braw\(|\{[^}]*\braw\b[^}]*\} from 'hono/, file)
    // An attribute without quotes would end at a space.
    assert.doesNotMatch(source, /[\w-]=\$\{(?![^`]*`;)[^}]*\}[ >]/, file)
  }
})
