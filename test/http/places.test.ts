import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'

const server = await testServer()
const token = await server.token('push:**')
const digest = exampleDigest('1')
const at = (repository: string, of = digest) =>
  `/signatures/${formatLocation({ kind: 'repository', name: repository as never, digest: of })}`

test('another place than the claim names takes the right to relocate there', async () => {
  const of = exampleDigest('7')
  const put = (token: string) =>
    ask(server, 'PUT', `${at('prod/app', of)}/signature-1`, { token, body: newBlob({ digest: of }) })
  const slip = await put(token)
  assert.equal(slip.status, 422)
  assert.equal(slip.json().code, 'identity-mismatch')
  const meant = await put(await server.token('push:prod/*', 'relocate:prod/*'))
  assert.equal(meant.status, 201)
  assert.equal(meant.json().repository, 'prod/app')
  const post = await ask(server, 'POST', '/api/v1/signatures?repository=elsewhere/app', {
    token,
    body: newBlob({ digest: of }),
  })
  assert.equal(post.json().code, 'identity-mismatch')
  const same = await ask(server, 'POST', '/api/v1/signatures?repository=team/app', {
    token,
    body: newBlob({ digest: of }),
  })
  assert.equal(same.status, 201)
})

test('registries keep their signatures apart under their prefixes, and others are refused', async () => {
  const strict = await testServer({
    registries: [
      { host: 'registry.example.com', prefix: '' },
      { host: 'quay.io', prefix: 'quay.io' as never },
    ],
  })
  const token = await strict.token('push:**')
  const post = (reference: string, query = '') =>
    ask(strict, 'POST', `/api/v1/signatures${query}`, { token, body: newBlob({ reference, digest }) })
  assert.equal((await post('registry.example.com/team/app:1')).json().repository, 'team/app')
  assert.equal((await post('quay.io/team/app:1')).json().repository, 'quay.io/team/app')
  assert.equal((await post('docker.io/team/app:1')).json().code, 'registry-not-served')
  assert.equal(
    (await post('docker.io/team/app:1', '?repository=team/app')).json().code,
    'registry-not-served',
  )
  assert.equal((await post('quay.io/team/app:1', '?repository=team/app')).json().code, 'identity-mismatch')
})

test('the path of an image does not lead into the prefix of another registry', async () => {
  const strict = await testServer({
    registries: [
      { host: 'registry.example.com', prefix: '' },
      { host: 'quay.io', prefix: 'quay.io' as never },
      { host: 'nested.example', prefix: 'quay.io/nested' as never },
    ],
  })
  const token = await strict.token('push:**')
  const post = async (reference: string, query = '', bearer = token) => {
    const body = newBlob({ reference, digest })
    const answer = await ask(strict, 'POST', `/api/v1/signatures${query}`, { token: bearer, body })
    return answer.json().code ?? answer.json().repository
  }
  assert.equal(await post('registry.example.com/quay.io/team/app:1'), 'identity-mismatch')
  assert.equal(await post('quay.io/nested/app:1'), 'identity-mismatch')
  assert.equal(await post('nested.example/app:1'), 'quay.io/nested/app')
  assert.equal(await post('registry.example.com/quay.iox/app:1'), 'quay.iox/app')
  const put = '?repository=quay.io/team/app'
  assert.equal(await post('registry.example.com/quay.io/team/app:1', put), 'identity-mismatch')
  const mover = await strict.token('push:**', 'relocate:**')
  assert.equal(await post('registry.example.com/quay.io/team/app:1', put, mover), 'quay.io/team/app')
})

test('where hosts share one space, the second host seen is warned of', async () => {
  const open = await testServer()
  const token = await open.token('push:**')
  const post = (reference: string) =>
    ask(open, 'POST', '/api/v1/signatures', { token, body: newBlob({ reference, digest }) })
  assert.equal((await post('registry.example.com/team/app:1')).json().warnings, undefined)
  assert.match(
    (await post('quay.io/team/app:1')).json().warnings[0],
    /quay\.io shares .* registry\.example\.com/,
  )
})
