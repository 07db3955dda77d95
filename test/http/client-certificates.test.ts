import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SecureVersion } from 'node:tls'
import { parseScope } from '../../src/access/principal.ts'
import type { Config } from '../../src/config/config.ts'
import { eventually } from '../eventually.ts'
import { type Certified, newCa } from '../identity/certificates.ts'
import { type TestServer, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { basic, extensionObject, extensionPath } from './extension-client.ts'
import { startUpstream } from './upstream.ts'

const digest = exampleDigest('1')
const scopes = [parseScope('push:team/app')]
const clients: Config['clients'] = [{ kind: 'subject', name: 'CN=signer', scopes }]

async function serverFor(ca: string, overrides: Partial<Config> = {}) {
  const clientCa = join(temporaryFolder(), 'clients-ca.crt')
  writeFileSync(clientCa, ca)
  const tls = { mode: 'auto' as const, names: [], clientCa }
  const server = await testServer({ tls, clients, ...overrides })
  return { server, clientCa, trusted: readFileSync(server.ca ?? '') }
}

interface Sending {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: Uint8Array | string
  agent: Agent
}

/** One request, and the TLS session that may be resumed after it. */
function send(
  { port }: TestServer,
  { method = 'POST', path = '/api/v1/signatures', headers, body = newBlob({ digest }), agent }: Sending,
): Promise<{ status: number; text: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      const { socket } = response as unknown as { socket: { isSessionReused(): boolean } }
      let text = ''
      response.on('data', (chunk) => (text += chunk))
      const reused = socket.isSessionReused()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, reused }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const agentOf = (
  ca: Buffer,
  certified?: Certified,
  options: { maxVersion?: SecureVersion; session?: Buffer } = {},
) => new Agent({ ca, ...certified, ...options, maxCachedSessions: 0 })

/** An agent that keeps the last session it was given. */
function keepingSession(agent: Agent): () => Buffer | undefined {
  let session: Buffer | undefined
  const create = agent.createConnection.bind(agent)
  agent.createConnection = ((...args: Parameters<typeof create>) => {
    const socket = create(...args)
    socket?.on('session', (given: Buffer) => {
      session = given
    })
    return socket
  }) as typeof agent.createConnection
  return () => session
}

test('a certificate signs in through every door, for its repositories alone', async () => {
  const ca = await newCa('Clients')
  const { server, trusted } = await serverFor(ca.cert)
  const agent = agentOf(trusted, await ca.issue())
  const other = newBlob({ digest, reference: 'registry.example.com/team/other:1' })
  const extension = JSON.stringify(extensionObject(newBlob({ digest }), digest))
  for (const [sending, status] of [
    [{}, 201],
    [{ method: 'PUT', path: `/signatures/team/app@${digest.replace(':', '=')}/signature-1` }, 201],
    [{ method: 'PUT', path: extensionPath('team/app', digest), body: extension }, 201],
    [{ body: other }, 403],
    [{ method: 'PUT', path: extensionPath('team/other', digest), body: extension }, 403],
    [{ method: 'GET', path: '/v2/', body: '' }, 200],
  ] as const)
    assert.equal((await send(server, { ...sending, agent })).status, status, JSON.stringify(sending))
  const { text } = await send(server, { method: 'GET', path: '/api/v1/changes', body: '', agent })
  for (const { actor } of JSON.parse(text).changes) assert.match(actor, /^certificate:[0-9A-F]+ CN=signer$/)
})

test('a certificate by another CA, of somebody else, or none, signs nobody in, and all may read', async () => {
  const [ca, stranger] = await Promise.all([newCa('Clients'), newCa('Clients')])
  const { server, trusted } = await serverFor(ca.cert)
  const cases: [certified: Certified | undefined, detail: RegExp][] = [
    [undefined, /Basic$/],
    [await stranger.issue(), /does not count: \w+/],
    [await ca.issue({ subject: [{ CN: ['else'] }] }), /names nobody that is known here/],
    [await ca.issue({ usages: [] }), /or is not for clients/],
    [await ca.issue({ usages: ['1.3.6.1.5.5.7.3.1'] }), /INVALID_PURPOSE/],
    [await ca.issue({ notAfter: new Date(Date.now() - 1000) }), /CERT_HAS_EXPIRED/],
  ]
  for (const [certified, detail] of cases) {
    const agent = agentOf(trusted, certified)
    const { status, text } = await send(server, { agent })
    const problem = JSON.parse(text)
    assert.deepEqual([status, problem.code, detail.test(problem.detail)], [401, 'no-credentials', true], text)
    const slot = `/signatures/team/app@${digest.replace(':', '=')}/signature-1`
    assert.equal((await send(server, { method: 'GET', path: slot, body: '', agent })).status, 404)
  }
})

test('an intermediate CA that the client sends is as good as the CA above it', async () => {
  const ca = await newCa('Clients')
  const between = await ca.intermediate('Between')
  const { server, trusted } = await serverFor(ca.cert)
  const { cert, key } = await between.issue()
  assert.equal(
    (await send(server, { agent: agentOf(trusted, { cert: cert + between.cert, key }) })).status,
    201,
  )
  assert.equal((await send(server, { agent: agentOf(trusted, { cert, key }) })).status, 401)
})

test('a token that is sent decides, and not the certificate', async () => {
  const ca = await newCa('Clients')
  const { server, trusted } = await serverFor(ca.cert)
  const agent = agentOf(trusted, await ca.issue())
  const narrow = await server.token('push:elsewhere/**')
  for (const [authorization, status] of [
    [`Bearer ${narrow}`, 403],
    ['Bearer lks_00000000_junk', 401],
    [basic('me', 'junk'), 401],
    // What clients of registries send that have no password.
    [basic('me', ''), 201],
  ] as const)
    assert.equal((await send(server, { headers: { authorization }, agent })).status, status, authorization)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`a resumed session of ${maxVersion} brings the certificate along, until the CAs change`, async () => {
    const [ca, next] = await Promise.all([newCa('Clients'), newCa('Next')])
    const { server, clientCa, trusted } = await serverFor(ca.cert)
    const certified = await ca.issue()
    const first = agentOf(trusted, certified, { maxVersion })
    const session = keepingSession(first)
    assert.equal((await send(server, { agent: first })).status, 201)
    await eventually(() => session() !== undefined)
    const early = session() as Buffer
    const resume = () => send(server, { agent: agentOf(trusted, undefined, { maxVersion, session: early }) })
    const { status, reused } = await resume()
    assert.deepEqual([status, reused], [201, true])
    const open = new Agent({ ca: trusted, ...certified, maxVersion, keepAlive: true, maxSockets: 1 })
    assert.equal((await send(server, { agent: open })).status, 201)
    writeFileSync(clientCa, next.cert)
    const body = newBlob({ digest })
    // Who shakes hands at that moment is cut off, and comes again.
    await eventually(
      async () => (await send(server, { body, agent: first }).catch(() => null))?.status === 401,
    )
    const again = await resume()
    assert.deepEqual([again.status, again.reused], [401, false])
    const late = await send(server, { agent: open })
    assert.deepEqual([late.status, /have changed: connect again/.test(late.text)], [401, true], late.text)
    open.destroy()
    assert.equal(
      (await send(server, { agent: agentOf(trusted, await next.issue(), { maxVersion }) })).status,
      201,
    )
  })

test('a certificate that may sign is not sent to the registry behind for its word, and another one is no hindrance', async () => {
  const ca = await newCa('Clients')
  const upstream = await startUpstream(({ method, headers }, response) => {
    if (headers.authorization === undefined)
      return response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    return response.writeHead(method === 'POST' ? 202 : 200).end()
  })
  const registry = { upstream: upstream.origin, delegate: true, anonymous: false }
  const { server, trusted } = await serverFor(ca.cert, { registry })
  const put = (agent: Agent, headers = {}) =>
    send(server, {
      method: 'PUT',
      path: extensionPath('team/app', digest),
      body: JSON.stringify(extensionObject(newBlob({ digest }), digest)),
      headers,
      agent,
    })
  const known = agentOf(trusted, await ca.issue())
  const unknown = agentOf(trusted, await ca.issue({ subject: [{ CN: ['else'] }] }))
  await eventually(() => upstream.seen.length > 0)
  const asked = upstream.seen.length
  assert.equal((await put(known)).status, 201)
  assert.equal(upstream.seen.length, asked)
  assert.equal((await put(unknown)).status, 401)
  const authorization = basic('alice', 'secret')
  assert.equal((await put(unknown, { authorization })).status, 201)
  assert.equal((await put(known, { authorization })).status, 201)
})
