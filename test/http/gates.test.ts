import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const policy = join(temporaryFolder(), 'open.json')
writeFileSync(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
const gates = { open: { policy, thresholds: [], maxAge: null, index: 'ignored' as const } }

const path = (query: Record<string, string>, gate = 'open') =>
  `/api/v1/gates/${gate}?${new URLSearchParams(query)}`

const image = `${exampleReference}@${exampleDigest()}`

test('a gate answers for an image by tag and digest, however the digest is given', async () => {
  const server = await testServer({ gates })
  const token = await server.token('push:**')
  await ask(server, 'POST', '/api/v1/signatures', { body: newBlob(), token })
  for (const query of [{ image }, { image: exampleReference, digest: exampleDigest() }]) {
    const answer = await ask(server, 'GET', path(query))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['cache-control'], 'no-store')
    const { gate, image, passed, signatures, index } = answer.json()
    assert.deepEqual([gate, image, passed, signatures, index], ['open', exampleReference, true, 1, 'ignored'])
  }
  const [name = ''] = exampleReference.split(/:[^:/]*$/)
  const byDigest = await ask(server, 'GET', path({ image: `${name}@${exampleDigest()}` }))
  assert.equal(byDigest.json().image, `${name}@${exampleDigest()}`)
})

test('what a gate cannot answer is refused with a code that says why', async () => {
  const server = await testServer({
    gates,
    registries: [{ host: 'registry.example.com', prefix: '' }],
  })
  const refusals: [string, number, string][] = [
    [path({ image }, 'other'), 404, 'not-found'],
    [path({ image }, '__proto__'), 404, 'not-found'],
    [path({ image }, '..%2fsignatures'), 404, 'not-found'],
    [path({ image: exampleReference }), 400, 'bad-request'],
    [path({ image, digest: exampleDigest('b') }), 400, 'bad-request'],
    [path({ image: exampleReference, digest: 'sha256:short' }), 400, 'bad-digest'],
    [path({ image: 'Not An Image', digest: exampleDigest() }), 400, 'bad-reference'],
    [path({ image: `quay.io/team/app:1@${exampleDigest()}` }), 422, 'registry-not-served'],
    [path({ digest: exampleDigest() }), 400, 'bad-request'],
    [`${path({ image })}&verbose=1`, 400, 'bad-request'],
  ]
  for (const [url, status, code] of refusals) {
    const answer = await ask(server, 'GET', url)
    assert.deepEqual([answer.status, answer.json().code], [status, code], url)
  }
})

test('where reads are private, a gate answers to who may read that repository', async () => {
  const server = await testServer({ gates, reads: { cacheSeconds: 0, private: true } })
  const [none, other, own] = [
    undefined,
    await server.token('read:other/*'),
    await server.token('read:team/*'),
  ]
  const statuses = []
  for (const token of [none, other, own])
    statuses.push((await ask(server, 'GET', path({ image }), token === undefined ? {} : { token })).status)
  assert.deepEqual(statuses, [401, 403, 200])
})
