import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { test } from 'node:test'
import { ensurePrivateCa } from '../../src/tls/private-ca.ts'
import { eventually } from '../eventually.ts'
import { ask, type TestServer, testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'
import { registryRefusal } from './extension-client.ts'
import { answerRaw, startUpstream, testFront } from './upstream.ts'

const unreachable = [502, 'REGISTRY_UNREACHABLE', 'registry-unreachable']
const isHealthy = async (server: { port: number }) => (await ask(server, 'GET', '/healthz')).status === 200

test('a registry that is not there is said to be so, in the form of registries', async () => {
  const front = await testFront((_request, response) => response.end())
  await front.upstream.stop()
  for (const [method, path] of [
    ['GET', '/v2/'],
    ['GET', '/extensions/v2/token'],
    ['GET', '/v2/team/app/manifests/1'],
    ['PUT', '/v2/team/app/manifests/1'],
  ] as const) {
    const answer = await ask(front, method, path, { ...(method === 'PUT' && { body: 'x' }) })
    assert.deepEqual(registryRefusal(answer), unreachable)
    // Where the registry is, is none of the client's business.
    assert.ok(!answer.body.includes(new URL(front.upstream.origin).port))
  }
  assert.ok(await isHealthy(front))
})

test('what a registry must not answer becomes an answer that clients understand', async () => {
  let answering = ''
  const front = await testFront((request) => answerRaw(request, answering), { anonymous: true })
  for (const nonsense of [
    'SSH-2.0-OpenSSH_9\n',
    'HTTP/1.1 099 Low\nContent-Length: 2\n\nok',
    'HTTP/1.1 700 High\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\nX-Bad: a\u0001b\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\nContent-Length: two\n\nok',
    'HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\nok',
    `HTTP/1.1 200 OK\nX-Long: ${'x'.repeat(100_000)}\nContent-Length: 2\n\nok`,
    '\n\n',
    '',
  ]) {
    answering = nonsense
    const answer = await ask(front, 'GET', '/v2/team/app/manifests/1')
    assert.deepEqual(registryRefusal(answer), unreachable, nonsense.slice(0, 60))
  }
  for (const odd of [
    'HTTP/1.1 200 OK\nTrailer: X-Late\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\nX-Utf8: \u20ac\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\nWWW-Authenticate: \nLocation: \nContent-Length: 2\n\nok',
    'HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  ]) {
    answering = odd
    const answer = await ask(front, 'GET', '/v2/team/app/manifests/1')
    assert.deepEqual([answer.status, answer.body.toString()], [200, 'ok'], odd)
  }
  assert.ok(await isHealthy(front))
})

test('a registry that cannot serve now is asked once: whether to try again is for the client', async () => {
  const front = await testFront(
    (_, response) => response.writeHead(503, { 'retry-after': '7' }).end('later'),
    { anonymous: true },
  )
  const answer = await ask(front, 'GET', '/v2/team/app/manifests/1')
  assert.deepEqual(
    [answer.status, answer.headers['retry-after'], answer.body.toString()],
    [503, '7', 'later'],
  )
  assert.equal(front.upstream.seen.length, 1)
  const asking = await testFront((_, response) => response.writeHead(503).end())
  assert.deepEqual(registryRefusal(await ask(asking, 'GET', '/v2/')), unreachable)
})

test('a registry is trusted by the CA that is configured, and by no other', async () => {
  const makeCa = () =>
    ensurePrivateCa({ directory: temporaryFolder(), names: [], hostName: 'localhost', now: new Date() })
  const [its, another] = [await makeCa(), await makeCa()]
  const tls = { cert: readFileSync(its.cert), key: readFileSync(its.key) }
  const upstream = await startUpstream((_, response) => response.end('ok'), tls)
  const statuses = async (ca?: string) => {
    const registry = { upstream: upstream.origin, delegate: false, anonymous: true, ...(ca && { ca }) }
    const server = await testServer({ registry })
    return [(await ask(server, 'GET', '/v2/')).status, (await ask(server, 'GET', '/v2/x')).status]
  }
  assert.deepEqual(await statuses(its.ca), [200, 200])
  const count = upstream.seen.length
  assert.deepEqual(await statuses(another.ca), [502, 502])
  assert.deepEqual(await statuses(), [502, 502])
  assert.equal(upstream.seen.length, count)
})

test('an answer that breaks off is seen to break off', async () => {
  const front = await testFront(
    (_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 })
      response.write(Buffer.alloc(500_000), () => response.destroy())
    },
    { anonymous: true },
  )
  await assert.rejects(ask(front, 'GET', '/v2/team/app/blobs/sha256:x'), { code: 'ECONNRESET' })
  assert.ok(await isHealthy(front))
  await eventually(async () => front.upstream.sockets.size === 0)
})

test('a registry that ends in the middle of an upload, or refuses it early, is answered at once', async () => {
  const front = await testFront((incoming, response) => {
    if (incoming.url === '/v2/refused') return response.writeHead(401).end('{}')
    incoming.once('data', () => incoming.socket.destroy())
  })
  for (const [path, expected] of [
    ['/v2/dies', 502],
    ['/v2/refused', 401],
  ] as const) {
    const upload = request({ port: front.port, host: '127.0.0.1', method: 'PATCH', path })
    upload.on('error', () => {})
    upload.write(Buffer.alloc(100_000))
    const [answer] = await once(upload, 'response')
    assert.equal(answer.statusCode, expected)
    answer.resume()
    upload.destroy()
  }
  assert.ok(await isHealthy(front))
})

/** A client that goes away when `until` says so. */
async function goAway(
  front: TestServer,
  method: string,
  until: (client: ReturnType<typeof request>) => unknown,
) {
  const client = request({ port: front.port, host: '127.0.0.1', method, path: '/v2/x' })
  client.on('error', () => {})
  if (method === 'GET') client.end()
  else client.write(Buffer.alloc(100_000))
  await until(client)
  client.destroy()
}

test('a client that goes away takes its upload and its download with it', async () => {
  let began = 0
  let broken = 0
  const front = await testFront((incoming, response) => {
    incoming.once('data', () => began++)
    incoming.on('error', () => broken++)
    if (incoming.method !== 'GET') return
    response.on('error', () => {}).on('close', () => broken++)
    response.writeHead(200)
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
      response.once('drain', more)
    }
    more()
  })
  for (let count = 0; count < 5; count++)
    await goAway(front, 'PATCH', () => eventually(async () => began > count))
  await eventually(async () => broken === 5)
  for (let count = 0; count < 5; count++)
    await goAway(front, 'GET', async (client) => {
      const [answer] = await once(client, 'response')
      await once(answer, 'data')
    })
  await eventually(async () => broken === 10 && front.upstream.sockets.size === 0)
  assert.ok(await isHealthy(front))
})
