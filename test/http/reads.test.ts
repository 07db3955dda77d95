import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { startReads } from '../../src/http/reads.ts'
import { slotCache } from '../../src/http/slot-cache.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { home, newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

const digest = exampleDigest('a')
const server = await testServer({
  digestViews: [
    { base: 'openshift/release' as never, repositories: ['team/**' as never] },
    { base: '', repositories: ['team/**' as never] },
  ],
})
const token = await server.token('push:**')
const upload = async (to: { port: number }, body: Buffer, as = token) => {
  const answer = await ask(to, 'POST', '/api/v1/signatures', { token: as, body })
  assert.equal(answer.status, 201)
  return new URL(answer.json().url).pathname
}
const blob = newBlob({ digest })
const path = await upload(server, blob)

test('a slot has its length, a strong ETag, a date, and what keeps caches and browsers honest', async () => {
  const { status, headers, body } = await ask(server, 'GET', path)
  assert.equal(status, 200)
  assert.deepEqual(body, blob)
  assert.equal(headers['content-type'], 'application/octet-stream')
  assert.equal(headers['content-length'], String(blob.length))
  assert.match(String(headers.etag), /^"[0-9a-f]{64}"$/)
  assert.ok(Date.parse(String(headers['last-modified'])) <= Date.now())
  assert.equal(headers['cache-control'], 'no-cache')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  const head = await ask(server, 'HEAD', path)
  assert.equal(head.status, 200)
  assert.equal(head.body.length, 0)
  assert.equal(head.headers['content-length'], String(blob.length))
  assert.equal(head.headers.etag, headers.etag)
})

test('a client that has the slot is answered 304, by ETag first and by date else', async () => {
  const { headers } = await ask(server, 'GET', path)
  const etag = String(headers.etag)
  const modified = String(headers['last-modified'])
  const earlier = new Date(Date.parse(modified) - 1000).toUTCString()
  const status = async (headers: Record<string, string>) =>
    (await ask(server, 'GET', path, { headers })).status
  assert.equal(await status({ 'If-None-Match': etag }), 304)
  assert.equal(await status({ 'If-None-Match': `"x", W/${etag}` }), 304)
  assert.equal(await status({ 'If-None-Match': '*' }), 304)
  assert.equal(await status({ 'If-None-Match': '"x"' }), 200)
  assert.equal(await status({ 'If-Modified-Since': modified }), 304)
  assert.equal(await status({ 'If-Modified-Since': earlier }), 200)
  assert.equal(await status({ 'If-Modified-Since': 'yesterday' }), 200)
  assert.equal(await status({ 'If-None-Match': '"x"', 'If-Modified-Since': modified }), 200)
  assert.equal(await status({ 'If-None-Match': etag, 'If-Modified-Since': earlier }), 304)
  const { body, headers: shown } = await ask(server, 'GET', path, { headers: { 'If-None-Match': etag } })
  assert.equal(body.length, 0)
  assert.equal(shown.etag, etag)
})

test('every way in which clients write a path reaches the slot', async () => {
  const hex = digest.slice(7)
  const forms = [
    `/signatures//team/app@sha256=${hex}/signature-1`,
    `//signatures/team//app@sha256=${hex}//signature-1`,
    `/signatures/team/app%40sha256%3D${hex}/signature-1`,
    `/signatures/team/app%40sha256%3d${hex}/signature-1`,
    `/signatures/team%2Fapp@sha256=${hex}/signature-1`,
    `${path}?token=abc`,
    `${path}?`,
    `http://127.0.0.1${path}`,
  ]
  for (const form of forms) {
    const answer = await ask(server, 'GET', form)
    assert.equal(answer.status, 200, form)
    assert.deepEqual(answer.body, blob)
  }
})

test('anything else below the tree is an empty 404', async () => {
  const hex = digest.slice(7)
  const location = `/signatures/team/app@sha256=${hex}`
  const forms = [
    '/signatures/x',
    '/signatures/x/',
    `${location}/signature-0`,
    `${location}/signature-01`,
    `${location}/signature-2`,
    `${location}/signature-128`,
    `${location}/signature-1/`,
    `${location}/signature-1/x`,
    `${location}/signature--1`,
    `${location}/signature-1.0`,
    `${location}/signature-`,
    `/signatures/team/app@sha256=${hex.toUpperCase()}/signature-1`,
    `/signatures/team/app@sha256=${hex.slice(1)}/signature-1`,
    `/signatures/team/app@md5=${hex.slice(32)}/signature-1`,
    `/signatures/Team/app@sha256=${hex}/signature-1`,
    `/signatures/team/app@sha256:${hex}/signature-1`,
    `/signatures/team/app@sha256=${hex}/signature-1%00`,
    `/signatures/%zz/app@sha256=${hex}/signature-1`,
    `/signatures/${'a'.repeat(300)}@sha256=${hex}/signature-1`,
  ]
  for (const form of forms) {
    for (const method of ['GET', 'HEAD']) {
      const { status, body, headers } = await ask(server, method, form)
      assert.deepEqual(
        [status, body.length, headers['content-type']],
        [404, 0, undefined],
        `${method} ${form}`,
      )
    }
  }
})

test('names of 255 characters and every digest algorithm are found', async () => {
  const component = 'b'.repeat(119)
  const name = `${component}/${'c'.repeat(255 - 120 - 1 - 15)}/${'d'.repeat(15)}`
  assert.equal(name.length, 255)
  const digests = [`sha256:${'1'.repeat(64)}`, `sha384:${'2'.repeat(96)}`, `sha512:${'3'.repeat(128)}`]
  for (const of of digests) {
    const long = newBlob({ reference: `registry.example.com/${name}:1`, digest: of })
    const at = await upload(server, long)
    assert.deepEqual((await ask(server, 'GET', at)).body, long)
    assert.deepEqual((await ask(server, 'GET', at.replace('@', '%40'))).body, long)
  }
})

test('a digest view shows the signatures of its repositories by digest alone', async () => {
  const hex = digest.slice(7)
  for (const base of ['/signatures/openshift/release/', '/signatures/']) {
    const { status, body } = await ask(server, 'GET', `${base}sha256=${hex}/signature-1`)
    assert.equal(status, 200)
    assert.deepEqual(body, blob)
    assert.equal((await ask(server, 'GET', `${base}sha256=${hex}/signature-2`)).status, 404)
  }
  await upload(
    server,
    newBlob({ reference: 'registry.example.com/foreign/app:1', digest: exampleDigest('f') }),
  )
  assert.equal((await ask(server, 'GET', `/signatures/sha256=${'f'.repeat(64)}/signature-1`)).status, 404)
})

test('a 404 that was remembered turns into a 200 with the upload, in every process of the data folder', async () => {
  const other = await testServer({ data: server.data })
  for (let round = 0; round < 20; round++) {
    const next = newBlob({ digest: exampleDigest('b') })
    const place = { kind: 'repository', name: 'team/app', digest: exampleDigest('b') } as never
    const slot = `/signatures/${formatLocation(place)}/signature-${round + 1}`
    assert.equal((await ask(other, 'GET', slot)).status, 404)
    assert.equal((await ask(server, 'GET', slot)).status, 404)
    assert.equal(await upload(server, next), slot)
    assert.deepEqual((await ask(other, 'GET', slot)).body, next)
    assert.deepEqual((await ask(server, 'GET', slot)).body, next)
  }
})

test('a cache time, where the operator sets one, is told on answers of both kinds', async () => {
  const cached = await testServer({ reads: { cacheSeconds: 60, private: true } })
  const at = await upload(cached, newBlob(), await cached.token('push:**'))
  for (const form of [at, at.replace('signature-1', 'signature-2')])
    assert.equal((await ask(cached, 'GET', form)).headers['cache-control'], 'public, max-age=60')
})

test('private reads put the API behind a token with the right to read, and leave the slots open', async () => {
  const closed = await testServer({ reads: { cacheSeconds: 0, private: true } })
  const at = await upload(closed, newBlob(), await closed.token('push:**'))
  assert.equal((await ask(closed, 'GET', at)).status, 200)
  const status = async (path: string, token?: string) =>
    (await ask(closed, 'GET', path, token ? { token } : {})).status
  assert.equal(await status('/api/v1/signatures'), 401)
  const reader = await closed.token('read:team/*')
  assert.equal(await status('/api/v1/signatures', reader), 403)
  assert.equal(await status('/api/v1/signatures?repository=team/app', reader), 200)
  assert.equal(await status('/api/v1/signatures/1', reader), 200)
  // Not even whether there is one, and of which repository.
  const stranger = await closed.token('read:other/*')
  const [there, missing] = [1, 99].map((id) =>
    ask(closed, 'GET', `/api/v1/signatures/${id}`, { token: stranger }),
  )
  assert.equal((await there)?.status, 404)
  assert.equal((await there)?.body.toString().replace('1', '99'), (await missing)?.body.toString())
  assert.equal(await status('/api/v1/signatures', await closed.token('read:**')), 200)
})

test('what is not HTTP gets a last word and costs nobody else anything', async () => {
  for (const garbage of [
    '\0\0\0\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
    'G\r\n\r\n',
  ]) {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(garbage)
    let received = ''
    for await (const chunk of socket) received += chunk
    assert.match(received, /^HTTP\/1\.1 400 /)
  }
  assert.equal((await ask(server, 'GET', path)).status, 200)
})

test('while the time of a slot lies ahead, no date is an answer, as it may change under that date', async () => {
  const ahead = openSqlite({ dataFolder: server.data, clock: () => Date.now() + 3_600_000 })
  const location = home('ahead/app')
  await ahead.append(newSignature({ home: location }))
  await ahead.close()
  const slot = `/signatures/${formatLocation(location)}/signature-1`
  const { headers } = await ask(server, 'GET', slot)
  const modified = String(headers['last-modified'])
  assert.ok(Date.parse(modified) <= Date.now())
  const status = async (conditions: Record<string, string>) =>
    (await ask(server, 'GET', slot, { headers: conditions })).status
  assert.equal(await status({ 'If-Modified-Since': modified }), 200)
  assert.equal(await status({ 'If-None-Match': String(headers.etag) }), 304)
})

test('while the database cannot be read, slots are answered 500, and the rest does not end the server', async () => {
  const storage = openSqlite({ dataFolder: temporaryFolder() })
  let isBroken = false
  const version = async () => {
    if (isBroken) throw new Error('disk I/O error')
    return storage.version()
  }
  const errors: unknown[] = []
  const reads = await startReads({
    storage: { ...storage, version, news: () => true },
    cache: slotCache(1024 * 1024),
    cacheSeconds: 0,
    clock: Date.now,
    onError: (error) => errors.push(error),
    counts: { ok: 0, notModified: 0, notFound: 0, failed: 0 },
    onMissed: () => {},
  })
  const broken = createServer((request, response) => {
    if (!reads(request, response)) response.end('of others')
  })
  await new Promise<void>((listening) => broken.listen(0, '127.0.0.1', listening))
  const { port } = broken.address() as AddressInfo
  isBroken = true
  const status = async (path: string) => (await ask({ port }, 'GET', path)).status
  assert.equal(await status('/signatures/team/signature-1'), 200)
  assert.equal(await status(path), 500)
  assert.equal(errors.length, 1)
  broken.close()
  await storage.close()
})
