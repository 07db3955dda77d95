import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { manifestTypes } from '../../src/claim/manifest.ts'
import { findManifests } from '../../src/manifests/instances.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { amd, basic, challenge, find, folder, inner, manifests, outer, withPassword } from './asking.ts'
import { httpsServer } from './https-server.ts'
import { digestOf } from './layout.ts'
import { refusal } from './refusals.ts'

test('a registry is asked as clients ask it, and an index in its index too', async () => {
  const accepts: unknown[] = []
  const registry = await httpsServer((request, response) => {
    accepts.push(request.headers.accept)
    return withPassword(manifests)(request, response)
  })
  const instances = [{ digest: digestOf(amd), platform: 'linux/amd64', isAttestation: false }]
  assert.deepEqual(await find(registry), { digest: digestOf(outer), isIndex: true, instances })
  assert.deepEqual(registry.asked, [
    { what: 'GET /v2/', authorization: undefined },
    { what: 'GET /v2/team/app/manifests/1', authorization: basic },
    { what: `GET /v2/team/app/manifests/${digestOf(inner)}`, authorization: basic },
  ])
  assert.equal(accepts[1], manifestTypes.join(', '))
  assert.equal((await find(registry, { name: `team/app:1@${digestOf(inner)}` })).digest, digestOf(inner))
  await assert.rejects(find(registry, { name: 'team/app' }), refusal('configuration', /Say which image/))
  await assert.rejects(find(registry, { name: 'team/app:2' }), refusal('not-found', /team\/app:2 is not in/))
})

test('another manifest than was asked for by its digest is refused', async () => {
  const registry = await httpsServer((_request, response) => response.end(amd))
  const name = `team/app@${digestOf(outer)}`
  await assert.rejects(find(registry, { name }), refusal('digest-mismatch', /answered with another/))
})

test('a token is asked for with scope, service and account, and goes to the registry alone', async () => {
  const tokens = await httpsServer((_request, response) => response.end('{"token":"t0ken"}'))
  const realm = `${tokens.url}/token?a=b`
  const registry = await httpsServer((request, response) =>
    request.headers.authorization === 'Bearer t0ken'
      ? manifests(request, response)
      : challenge(response, 'Negotiate', `Bearer realm="${realm}",service="the \\"registry\\""`),
  )
  await find(registry)
  const query = 'a=b&account=puller&service=the+%22registry%22&scope=repository%3Ateam%2Fapp%3Apull'
  assert.deepEqual(tokens.asked, [{ what: `GET /token?${query}`, authorization: basic }])
  const { authorization } = registry.asked[1] ?? {}
  assert.equal(authorization, 'Bearer t0ken')
})

test('an identity token is changed for one in the body of a request', async () => {
  let body = ''
  const tokens = await httpsServer(async (request, response) => {
    body = await text(request)
    response.end('{"access_token":"t0ken"}')
  })
  const registry = await httpsServer((request, response) =>
    request.headers.authorization === 'Bearer t0ken'
      ? manifests(request, response)
      : challenge(response, `Bearer realm="${tokens.url}/token",service=s`),
  )
  const entry = { auth: Buffer.from('puller:').toString('base64'), identitytoken: 'identity' }
  await find(registry, { entry })
  assert.deepEqual(tokens.asked, [{ what: 'POST /token', authorization: undefined }])
  assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
    service: 's',
    scope: 'repository:team/app:pull',
    grant_type: 'refresh_token',
    refresh_token: 'identity',
    client_id: 'lookaside',
  })
})

test('a registry that first asks at the manifest is answered, once', async () => {
  const registry = await httpsServer((request, response) =>
    request.url === '/v2/' ? response.end('{}') : withPassword(manifests)(request, response),
  )
  await find(registry)
  const stubborn = await httpsServer((request, response) =>
    request.url === '/v2/' ? response.end('{}') : challenge(response, 'Basic realm="x"'),
  )
  await assert.rejects(find(stubborn), refusal('bad-credentials', /does not take the credentials/))
  assert.equal(stubborn.asked.length, 3)
})

test('what a registry has against a user is told apart', async () => {
  const asks = await httpsServer((_request, response) => challenge(response, 'Basic realm="x"'))
  await assert.rejects(find(asks, { anonymous: true }), refusal('no-credentials', /podman login/))
  await assert.rejects(find(asks), refusal('bad-credentials', /does not take/))
  const identity = { auth: Buffer.from('puller:').toString('base64'), identitytoken: 'identity' }
  await assert.rejects(find(asks, { entry: identity }), refusal('no-credentials', /podman login/))
  const forbids = await httpsServer((request, response) =>
    request.url === '/v2/' ? response.end() : response.writeHead(403).end(),
  )
  await assert.rejects(find(forbids), refusal('not-allowed', /does not allow to read/))
  const tired = await httpsServer((request, response) =>
    request.url === '/v2/'
      ? response.end()
      : response.writeHead(429).end('{"errors":[{"code":"TOOMANYREQUESTS","message":"later"}]}'),
  )
  await assert.rejects(find(tired), /answered 429 .* TOOMANYREQUESTS: later/)
  const none = await httpsServer((_request, response) => response.writeHead(404).end())
  await assert.rejects(find(none), /is not a registry that can be asked: \/v2\/ answered 404/)
})

test('Docker Hub is asked where its registry is', async (context) => {
  const targets: (string | undefined)[] = []
  const proxy = createServer().on('connect', ({ url }, socket) => {
    targets.push(url)
    socket.destroy()
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  context.after(() => proxy.close())
  const env = { HOME: folder, HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
  const access = { env, authFile: null, ca: null, userAgent: 'lookaside/test' }
  const asking = findManifests(parseReference('busybox:1'), { kind: 'registry', access })
  await assert.rejects(asking, /registry-1.docker.io cannot be asked/)
  assert.deepEqual(targets, ['registry-1.docker.io:443'])
})

test('a certificate that nobody here trusts is refused, and the message says where to put its CA', async () => {
  const registry = await httpsServer(manifests)
  const access = { env: { HOME: folder }, authFile: join(folder, 'auth.json'), ca: null, userAgent: 'x' }
  await assert.rejects(
    findManifests(parseReference(`${registry.host}/team/app:1`), { kind: 'registry', access }),
    new RegExp(`certs.d/${registry.host}/ca.crt, or name it with --registry-ca`),
  )
  assert.equal(registry.asked.length, 0)
})
