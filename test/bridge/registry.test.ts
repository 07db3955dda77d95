import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { after, test } from 'node:test'
import { upstreamRegistry } from '../../src/bridge/registry.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { basic } from '../http/extension-client.ts'
import { startUpstream } from '../http/upstream.ts'
import { exampleDigest } from '../signing.ts'

const digest = exampleDigest('1')
const repository = parseRepository('team/app')
const alice = basic('alice', 'secret')
const bob = basic('bob', 'secret')

/** A registry with one manifest, and the uploads that were begun in it and have not ended. */
async function startRegistry() {
  const state = {
    mayPush: new Set([alice]),
    mayPull: new Set([alice, bob]),
    isOpen: false,
    hasManifest: true,
    uploads: new Set<string>(),
    /** Answers instead, where it says anything. */
    instead: (_request: IncomingMessage): number | undefined => undefined,
    location: (origin: string, id: string) => `${origin}/v2/team/app/blobs/uploads/${id}?_state=x%2Fy`,
  }
  const answer = (request: IncomingMessage, response: ServerResponse): ServerResponse => {
    const { method, url = '', headers } = request
    const by = headers.authorization ?? ''
    const status = state.instead(request)
    if (status !== undefined) return response.writeHead(status).end()
    const isKnown = state.isOpen || state.mayPull.has(by)
    if (!isKnown) return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
    if (method === 'HEAD') return response.writeHead(state.hasManifest ? 200 : 404).end()
    if (!state.isOpen && !state.mayPush.has(by)) return response.writeHead(403).end()
    if (method === 'POST') {
      const id = String(upstream.seen.length)
      state.uploads.add(id)
      return response.writeHead(202, { location: state.location(upstream.origin, id) }).end()
    }
    const [, id = ''] = /^\/v2\/team\/app\/blobs\/uploads\/(\d+)\?_state=x%2Fy$/.exec(url) ?? []
    return response.writeHead(state.uploads.delete(id) ? 204 : 404).end()
  }
  const upstream = await startUpstream(answer)
  return { ...upstream, state }
}

async function testRegistry(anonymous = false) {
  const registry = await startRegistry()
  const time = { now: 1_700_000_000_000 }
  const asked = upstreamRegistry({ upstream: registry.origin, ca: [], anonymous }, () => time.now)
  after(asked.close)
  const may = (by: string | null, place = repository, of = digest) => asked.requirePush(by, place, of)
  const refused = (code: string, by: string | null, place = repository) =>
    assert.rejects(may(by, place), { name: 'Refusal', code })
  return { ...registry, time, may, refused, asked }
}

test('who may push there may sign, and nobody else; nothing is left behind', async () => {
  const { may, refused, state, seen } = await testRegistry()
  assert.equal(await may(alice), true)
  await refused('not-allowed', bob)
  await refused('bad-credentials', basic('alice', 'wrong'))
  await refused('bad-credentials', 'Bearer junk')
  await refused('no-credentials', null)
  assert.equal(state.uploads.size, 0)
  assert.equal(seen.filter(({ method }) => method === 'DELETE').length, 1)
})

test('what is signed must be there', async () => {
  const { may, refused, state } = await testRegistry()
  state.hasManifest = false
  await refused('not-found', alice)
  state.hasManifest = true
  assert.equal(await may(alice), true)
  state.hasManifest = false
  await refused('not-found', alice)
})

test('a yes holds for a minute, for these credentials and this repository, and a no for no time', async () => {
  const { may, refused, state, seen, time } = await testRegistry()
  const asking = async (work: () => Promise<unknown>) => {
    const before = seen.length
    await work()
    return seen.slice(before).map(({ method }) => method)
  }
  const wholeQuestion = ['POST', 'POST', 'DELETE', 'HEAD']
  assert.deepEqual(await asking(() => may(alice)), wholeQuestion)
  assert.deepEqual(await asking(() => may(alice)), ['HEAD'])
  assert.deepEqual(await asking(() => may(alice, parseRepository('team/other'))), [
    'POST',
    'POST',
    'DELETE',
    'HEAD',
  ])
  await refused('not-allowed', bob)
  state.mayPush.add(bob)
  assert.deepEqual(await asking(() => may(bob)), wholeQuestion)
  state.mayPush.clear()
  time.now += 59_999
  assert.equal(await may(alice), true)
  time.now += 1
  await refused('not-allowed', alice)
  await refused('not-allowed', bob)
})

test('what is remembered of one caller, repository or credential says nothing of another', async () => {
  const { may, refused } = await testRegistry()
  assert.equal(await may(alice), true)
  for (const other of [alice.toLowerCase(), alice.slice(0, -1), `Basic  ${alice.slice(6)}`, '"', ''])
    await refused('bad-credentials', other)
  await refused('no-credentials', null)
})

test('a registry that lets everybody push decides nothing, whatever is sent to it', async () => {
  const { refused, state } = await testRegistry()
  state.isOpen = true
  for (const by of [alice, basic('junk', 'junk'), 'Bearer junk', null]) await refused('not-allowed', by)
  assert.equal(state.uploads.size, 0)
})

test('it decides all the same where nobody need be known, and knows nobody', async () => {
  const { may, state } = await testRegistry(true)
  assert.equal(await may(alice), true)
  state.isOpen = true
  for (const by of [bob, basic('admin', 'junk'), null]) {
    assert.equal(await may(by), false)
    assert.equal(await may(by), false)
  }
  assert.equal(state.uploads.size, 0)
})

test('a registry that stumbles at the question who nobody is, is not taken to know anybody', async () => {
  const { refused, state } = await testRegistry()
  state.isOpen = true
  for (const status of [200, 302, 404, 429, 500, 503]) {
    let first = true
    state.instead = ({ method }) => {
      const stumbles = first && method === 'POST'
      first = false
      return stumbles ? status : undefined
    }
    await refused('registry-unreachable', basic('junk', 'junk'))
  }
})

test('a registry that answers neither yes nor no cannot be asked', async () => {
  const { refused, state, stop } = await testRegistry()
  for (const status of [200, 302, 400, 404, 429, 500]) {
    state.instead = ({ headers }) => (headers.authorization ? status : undefined)
    await refused('registry-unreachable', alice)
  }
  state.instead = ({ method }) => (method === 'HEAD' ? 500 : undefined)
  await refused('registry-unreachable', alice)
  await stop()
  await refused('registry-unreachable', alice)
})

test('an upload is cancelled wherever the registry says it is', async () => {
  const { may, state, seen, time } = await testRegistry()
  for (const location of [
    (_: string, id: string) => `/v2/team/app/blobs/uploads/${id}?_state=x%2Fy`,
    (_: string, id: string) => `https://registry.example.com/v2/team/app/blobs/uploads/${id}?_state=x%2Fy`,
  ]) {
    state.location = location
    time.now += 100_000
    assert.equal(await may(alice), true)
    assert.equal(state.uploads.size, 0)
  }
  // Credentials go to no other server, and what is no place is left alone.
  for (const location of ['//127.0.0.1:1//evil.example/x', 'http://[', '']) {
    state.location = () => location
    time.now += 100_000
    assert.equal(await may(alice), true)
  }
  assert.ok(seen.some(({ method, url }) => method === 'DELETE' && url === '//evil.example/x'))
})

test('what it asks for is read from what it answers to nobody', async () => {
  const { asked, state, stop } = await testRegistry()
  assert.deepEqual(await asked.challenges(), ['Basic realm="r"'])
  state.isOpen = true
  assert.deepEqual(await asked.challenges(), [])
  await stop()
  await assert.rejects(asked.challenges(), { code: 'registry-unreachable' })
})
