import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { basic, registryRefusal } from './extension-client.ts'
import { answerRaw, testFront } from './upstream.ts'

const headerOf = 'x-registry-supports-signatures'
/** A registry that asks for a password, and takes any. */
const asking = (challenge: string) => (request: IncomingMessage, response: ServerResponse) => {
  if (request.headers.authorization) response.end('{}')
  else response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[]}')
}
const echo = async (request: IncomingMessage, response: ServerResponse) => {
  response.end(`${request.method} ${request.url} ${await text(request)}`)
}

test('without a registry behind it, the ping asks for a token of this server', async () => {
  const server = await testServer()
  for (const path of ['/v2/', '/v2']) {
    const none = await ask(server, 'GET', path)
    assert.deepEqual(registryRefusal(none), [401, 'UNAUTHORIZED', 'no-credentials'])
    assert.equal(none.headers['www-authenticate'], 'Basic realm="lookaside", charset="UTF-8"')
    assert.equal(none.headers[headerOf], '1')
    const headers = { authorization: basic('me', await server.token('push:**')) }
    const known = await ask(server, 'GET', path, { headers })
    assert.deepEqual([known.status, known.headers[headerOf]], [200, '1'])
    assert.equal(known.headers['docker-distribution-api-version'], 'registry/2.0')
  }
  assert.deepEqual(registryRefusal(await ask(server, 'GET', '/v2/team/app/manifests/1'))[0], 404)
})

test('clients are told that there are signatures, whatever the registry answers', async () => {
  const front = await testFront(asking('Basic realm="theirs"'))
  const refused = await ask(front, 'GET', '/v2/')
  assert.deepEqual([refused.status, refused.headers[headerOf]], [401, '1'])
  assert.equal(refused.headers['www-authenticate'], 'Basic realm="theirs"')
  const accepted = await ask(front, 'GET', '/v2/', { headers: { authorization: basic('alice', 'secret') } })
  assert.deepEqual([accepted.status, accepted.headers[headerOf]], [200, '1'])
})

test('where the registry asks for no credentials, this server does, unless nobody need bring any', async () => {
  const open = (_: IncomingMessage, response: ServerResponse) => response.end('{}')
  const closed = await testFront(open)
  const none = await ask(closed, 'GET', '/v2/')
  assert.equal(none.headers['www-authenticate'], 'Basic realm="lookaside", charset="UTF-8"')
  assert.equal(none.headers[headerOf], '1')
  const authorization = basic('me', await closed.token('push:**'))
  for (const [credentials, expected] of [
    [authorization, 200],
    [basic('me', 'lks_00000000_junk'), 401],
    [basic('me', 'junk'), 401],
  ] as const) {
    const answer = await ask(closed, 'GET', '/v2/', { headers: { authorization: credentials } })
    assert.equal(answer.status, expected)
  }
  // Pulling needs no more than the registry asks for.
  assert.equal((await ask(closed, 'GET', '/v2/team/app/manifests/1')).status, 200)
  const anonymous = await testFront(open, { anonymous: true })
  assert.equal((await ask(anonymous, 'GET', '/v2/')).status, 200)
})

test('whom a registry sends to itself for a token is sent here, and others go where they are sent', async () => {
  const elsewhere = 'Bearer realm="https://auth.example.com/token",service="r"'
  const other = await testFront(asking(elsewhere))
  assert.equal((await ask(other, 'GET', '/v2/')).headers['www-authenticate'], elsewhere)
  assert.deepEqual(registryRefusal(await ask(other, 'GET', '/extensions/v2/token')).slice(0, 1), [404])

  let origin = ''
  const front = await testFront(async (request, response) => {
    if (request.url?.startsWith('/auth/token')) return echo(request, response)
    asking(`Bearer realm="${origin}/auth/token",service="r"`)(request, response)
  })
  origin = front.upstream.origin
  const ping = await ask(front, 'GET', '/v2/', { headers: { host: 'registry.example.com' } })
  assert.equal(
    ping.headers['www-authenticate'],
    'Bearer realm="http://registry.example.com/extensions/v2/token",service="r"',
  )
  const query = '?scope=repository%3Ateam%2Fapp%3Apull&service=r'
  const token = await ask(front, 'GET', `/extensions/v2/token${query}`, {
    headers: { authorization: basic('alice', 'secret') },
  })
  assert.equal(token.body.toString(), `GET /auth/token${query} `)
  assert.equal(front.upstream.seen.at(-1)?.headers.authorization, basic('alice', 'secret'))
  const form = 'grant_type=refresh_token&refresh_token=x'
  const posted = await ask(front, 'POST', '/extensions/v2/token', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form,
  })
  assert.equal(posted.body.toString(), `POST /auth/token ${form}`)
})

test('a place on the registry is the same place here, and one elsewhere stays where it is', async () => {
  let origin = ''
  const front = await testFront(({ url = '' }, response) => {
    const location = decodeURIComponent(url.split('?to=')[1] ?? '').replace('UPSTREAM', origin)
    response.writeHead(307, { location }).end()
  })
  origin = front.upstream.origin
  for (const [location, expected] of [
    ['UPSTREAM/v2/team/app/blobs/uploads/1?_state=a%2Fb', '/v2/team/app/blobs/uploads/1?_state=a%2Fb'],
    ['/v2/team/app/blobs/uploads/1?_state=x', '/v2/team/app/blobs/uploads/1?_state=x'],
    [
      'https://storage.example.com/blob?X-Signature=a%2Bb',
      'https://storage.example.com/blob?X-Signature=a%2Bb',
    ],
    ['http://127.0.0.1:1/v2/', 'http://127.0.0.1:1/v2/'],
    ['//storage.example.com/blob', '//storage.example.com/blob'],
    ['http://[broken', 'http://[broken'],
  ] as const) {
    const answer = await ask(front, 'GET', `/v2/x?to=${encodeURIComponent(location)}`)
    assert.deepEqual([answer.status, answer.headers.location], [307, expected])
  }
})

test('a token of this server reaches no other, and credentials of others pass as they are', async () => {
  const front = await testFront(echo, { anonymous: true })
  const token = await front.token('push:**')
  const sent = async (authorization: string, method = 'GET', path = '/v2/team/app/manifests/1') => {
    await ask(front, method, path, { headers: { authorization } })
    return front.upstream.seen.at(-1)?.headers.authorization
  }
  for (const secret of [`Bearer ${token}`, basic('me', token), basic('', token), `bearer   ${token} `]) {
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'])
      assert.equal(await sent(secret, method), undefined)
    assert.equal(await sent(secret, 'GET', '/v2/'), undefined)
  }
  for (const other of [
    basic('alice', 'secret'),
    basic('lks_alice', 'se:cret'),
    'Bearer abc.def.ghi',
    'Digest x="y"',
  ])
    assert.equal(await sent(other), other)
  const everything = JSON.stringify(front.upstream.seen)
  assert.ok(
    !everything.includes(token) && !everything.includes(Buffer.from(token).toString('base64').slice(8, 40)),
  )
})

test('what two neighbours agree on is not passed on, in either direction', async () => {
  const front = await testFront(
    (request) =>
      answerRaw(
        request,
        'HTTP/1.1 200 OK\nConnection: close, X-Mine\nKeep-Alive: timeout=1\nX-Mine: 1\nTrailer: X-Late\nUpgrade: h2\nProxy-Authenticate: Basic\nX-Theirs: 2\nContent-Length: 2\n\nok',
      ),
    { anonymous: true },
  )
  const answer = await ask(front, 'PUT', '/v2/x', {
    body: 'abc',
    headers: {
      connection: 'keep-alive, x-mine',
      'x-mine': '1',
      'keep-alive': '300',
      te: 'trailers',
      upgrade: 'h2c',
      'proxy-authorization': basic('proxy', 'secret'),
      forwarded: 'host=evil.example',
      'x-forwarded-host': 'evil.example',
      expect: '100-continue',
      'x-theirs': '2',
      host: 'registry.example.com',
    },
  })
  assert.deepEqual([answer.status, answer.body.toString(), answer.headers['x-theirs']], [200, 'ok', '2'])
  for (const name of ['x-mine', 'trailer', 'upgrade', 'proxy-authenticate'])
    assert.equal(answer.headers[name], undefined)
  assert.equal(answer.headers['keep-alive'], 'timeout=72')
  const { connection: _own, ...seen } = front.upstream.seen.at(-1)?.headers ?? {}
  assert.deepEqual(seen, {
    host: new URL(front.upstream.origin).host,
    'content-length': '3',
    'x-theirs': '2',
    'x-forwarded-host': 'registry.example.com',
    'x-forwarded-proto': 'http',
    'x-forwarded-for': '127.0.0.1',
  })
})

test('paths and queries arrive as they were sent, and none leads out of the registry', async () => {
  const front = await testFront(echo, { anonymous: true })
  for (const path of [
    '/v2/a?x=1&y=%2F&x=2',
    '/v2/a%2fb/manifests/sha256%3Aabc',
    '/v2/a%252e%252e/b',
    '/v2/a..b',
    '/v2//twice',
    '/v2/_catalog?n=1&last=',
  ])
    assert.equal((await ask(front, 'GET', path)).body.toString(), `GET ${path} `)
  for (const path of [
    '/v2/../x',
    '/v2/a/%2e%2e/%2e%2e/x',
    '/v2/..%2fx',
    '/v2/%2e./x',
    '/v2/\\..\\x',
    '/v2/%5c..%5cx',
  ]) {
    assert.deepEqual(registryRefusal(await ask(front, 'GET', path)).slice(0, 2), [400, 'UNSUPPORTED'], path)
  }
  const count = front.upstream.seen.length
  for (const path of ['//v2/x', '/V2/x', '/v2x', '/%76%32x', `http://127.0.0.1:${front.port}/v2/x`])
    assert.ok((await ask(front, 'GET', path)).status >= 400, path)
  assert.equal(front.upstream.seen.length, count)
})

test('HEAD, ranges and uploads in pieces pass', async () => {
  const blob = Buffer.alloc(300_000, 'abcdefghij')
  const front = await testFront(async (request, response) => {
    const { method, headers } = request
    if (method === 'HEAD')
      return response.writeHead(200, { 'content-length': blob.length, etag: '"e"' }).end()
    if (method === 'GET') {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
      const part = blob.subarray(Number(from), Number(to) + 1)
      return response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${blob.length}` }).end(part)
    }
    const received = await text(request)
    response
      .writeHead(202, {
        range: `0-${received.length - 1}`,
        'x-how': headers['transfer-encoding'] ?? headers['content-length'],
      })
      .end()
  })
  const head = await ask(front, 'HEAD', '/v2/team/app/blobs/sha256:x')
  assert.deepEqual([head.headers['content-length'], head.headers.etag], ['300000', '"e"'])
  const range = await ask(front, 'GET', '/v2/team/app/blobs/sha256:x', { headers: { range: 'bytes=10-29' } })
  assert.equal(range.body.toString(), 'abcdefghijabcdefghij')
  assert.equal(range.headers['content-range'], 'bytes 10-29/300000')
  const upload = '/v2/team/app/blobs/uploads/1'
  const whole = await ask(front, 'PATCH', upload, { body: blob, headers: { 'content-length': '300000' } })
  assert.deepEqual([whole.status, whole.headers.range, whole.headers['x-how']], [202, '0-299999', '300000'])
  const pieces = await ask(front, 'PATCH', upload, {
    body: blob,
    headers: { 'transfer-encoding': 'chunked' },
  })
  assert.deepEqual([pieces.headers.range, pieces.headers['x-how']], ['0-299999', 'chunked'])
  const last = await ask(front, 'PUT', `${upload}?digest=sha256%3Ax`, { headers: { 'content-length': '0' } })
  assert.equal(last.status, 202)
  assert.equal(front.upstream.seen.at(-1)?.url, `${upload}?digest=sha256%3Ax`)
})

test('a body is passed on while it arrives', async () => {
  let received: (text: string) => void
  const first = new Promise<string>((resolve) => {
    received = resolve
  })
  const front = await testFront((incoming, response) => {
    incoming.once('data', (data) => received(String(data)))
    incoming.on('end', () => response.end())
  })
  const upload = request({ port: front.port, host: '127.0.0.1', method: 'PATCH', path: '/v2/x' })
  upload.write('first')
  assert.equal(await first, 'first')
  upload.end('second')
  const [answer] = await once(upload, 'response')
  assert.equal(answer.statusCode, 200)
  answer.resume()
})

test('two servers of this kind in a row work as one', async () => {
  const front = await testFront(echo, { anonymous: true })
  const outer = await testServer({ registry: { upstream: front.origin, delegate: false, anonymous: true } })
  const answer = await ask(outer, 'PUT', '/v2/a?b', { body: 'c' })
  assert.deepEqual([answer.body.toString(), answer.headers[headerOf]], ['PUT /v2/a?b c', '1'])
})
