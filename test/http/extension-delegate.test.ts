import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseScope } from '../../src/access/principal.ts'
import { spawnServer } from '../process.ts'
import { ask, newToken, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import {
  basic,
  extensionObject,
  extensionPath,
  listed,
  putObject,
  registryRefusal,
} from './extension-client.ts'
import { startUpstream } from './upstream.ts'

const digest = exampleDigest('1')
const secret = 'a-password-nobody-may-see'
const alice = basic('alice', secret)
const bob = basic('bob', secret)
const subject = Buffer.from('{"sub":"robot"}').toString('base64url')
const robot = `Bearer e30.${subject}.${Buffer.from(secret).toString('base64url')}`

/** A registry where alice and the robot may push, bob may pull, and everything but `nothing/here` is. */
function registry({ method, url = '', headers }: IncomingMessage, response: ServerResponse): unknown {
  const { authorization: by } = headers
  if (by === undefined || ![alice, bob, robot].includes(by)) return response.writeHead(401).end()
  if (method === 'HEAD') return response.writeHead(url.includes('nothing/here') ? 404 : 200).end()
  if (by === bob) return response.writeHead(403).end()
  return response.writeHead(202, { location: '/v2/team/app/blobs/uploads/1' }).end()
}

const put = (server: { port: number }, authorization: string, path = extensionPath()) =>
  putObject(server, path, extensionObject(newBlob({ digest })), { authorization })

test('who may push to the registry may sign, and of all others nothing is stored', async () => {
  const upstream = await startUpstream(registry)
  const server = await testServer({
    registry: { upstream: upstream.origin, delegate: true, anonymous: false },
  })
  const before = upstream.seen.length
  for (const [by, expected] of [
    [bob, [403, 'DENIED', 'not-allowed']],
    [basic('alice', 'wrong'), [401, 'UNAUTHORIZED', 'bad-credentials']],
    ['Bearer junk', [401, 'UNAUTHORIZED', 'bad-credentials']],
    ['', [401, 'UNAUTHORIZED', 'no-credentials']],
  ] as const)
    assert.deepEqual(registryRefusal(await put(server, by)), expected)
  const nothing = await put(server, alice, extensionPath('nothing/here'))
  assert.deepEqual(registryRefusal(nothing), [404, 'MANIFEST_UNKNOWN', 'not-found'])
  assert.equal((await ask(server, 'GET', '/api/v1/signatures')).json().signatures.length, 0)
  for (const by of [alice, robot]) assert.equal((await put(server, by)).status, 201)
  // The right is for the extension, and for that repository alone.
  const rest = { headers: { authorization: alice }, body: newBlob({ digest }) }
  assert.equal((await ask(server, 'POST', '/api/v1/signatures', rest)).status, 401)
  const seen = upstream.seen.length
  assert.ok(seen > before)
  const authorization = basic('me', await server.token('push:team/**'))
  assert.equal((await put(server, authorization)).status, 201)
  assert.equal(upstream.seen.length, seen)
  const revoked = basic('me', 'lks_00000000_junk')
  assert.deepEqual(registryRefusal(await put(server, revoked)), [401, 'UNAUTHORIZED', 'bad-credentials'])
  assert.equal(upstream.seen.length, seen)
  assert.equal((await listed(server, extensionPath())).length, 3)
  await upstream.stop()
  assert.deepEqual(registryRefusal(await put(server, alice)).slice(0, 2), [502, 'REGISTRY_UNREACHABLE'])
  assert.equal((await listed(server, extensionPath())).length, 3)
})

test('the log says who signed, and holds no credentials even where it holds everything', async () => {
  const upstream = await startUpstream(registry)
  let end = async (): Promise<unknown> => undefined
  const folder = temporaryFolder(() => end())
  const config = join(folder, 'lookaside.yaml')
  writeFileSync(
    config,
    JSON.stringify({ registry: { upstream: upstream.origin, delegate: true }, log: { level: 'trace' } }),
  )
  const server = await spawnServer(join(folder, 'data'), '--config', config)
  end = () => server.end('SIGTERM')
  const token = await newToken(join(folder, 'data'), [parseScope('push:**')])
  const wrong = basic('alice', `${secret}-wrong`)
  const hostile = basic('a\r\nb\u001b', secret)
  for (const by of [alice, robot, bob, wrong, hostile, basic('me', token)]) {
    await put(server, by)
    await ask(server, 'GET', '/v2/', { headers: { authorization: by } })
    await ask(server, 'PUT', '/v2/team/app/manifests/1', { headers: { authorization: by }, body: '{}' })
    await ask(server, 'GET', `/v2/${token}?x=${token}`, { headers: { authorization: by } })
  }
  await upstream.stop()
  for (const by of [alice, robot, wrong]) {
    await put(server, by)
    await ask(server, 'GET', '/v2/', { headers: { authorization: by } })
  }
  await end()
  const uploads = server.log.filter(({ msg }) => msg === 'upload').map(({ actor }) => actor)
  assert.equal(uploads.length, 3)
  assert.deepEqual(uploads.slice(0, 2), ['registry:alice', 'registry:robot'])
  const log = JSON.stringify(server.log)
  assert.ok(server.log.some(({ msg }) => msg === 'refused'))
  assert.ok(log.includes('ECONNREFUSED'))
  const base64 = [alice, bob, wrong, hostile, basic('me', token)].map((value) => value.slice('Basic '.length))
  for (const hidden of [secret, token, robot.slice('Bearer '.length), ...base64])
    assert.ok(!log.includes(hidden))
})
