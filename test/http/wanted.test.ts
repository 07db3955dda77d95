import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missedTop } from '../../src/http/missed.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'

test('what is asked for most comes first, and goes when it is signed', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const read = async (path: string, times: number) => {
    for (let count = 0; count < times; count++)
      assert.equal((await ask(server, 'GET', `/signatures/${path}/signature-1`)).status, 404)
  }
  const wanted = async () =>
    (await ask(server, 'GET', '/api/v1/wanted')).json().wanted as {
      repository: string
      digest: string
      requests: number
    }[]
  const hex = (letter: string) => exampleDigest(letter).replace(':', '=')
  await read(`team/app@${hex('a')}`, 3)
  await read(`team/other@${hex('b')}`, 5)
  await read(hex('c'), 1)
  const body = newBlob({ digest: exampleDigest('d') })
  const { url } = (await ask(server, 'POST', '/api/v1/signatures', { token, body })).json()
  // The end of a walk is no miss.
  assert.equal((await ask(server, 'GET', new URL(url).pathname.replace(/1$/, '2'))).status, 404)
  assert.deepEqual(
    (await wanted()).map(({ repository, digest, requests }) => [repository, digest, requests]),
    [
      ['team/other', exampleDigest('b'), 5],
      ['team/app', exampleDigest('a'), 3],
      [null, exampleDigest('c'), 1],
    ],
  )
  const signed = newBlob({ digest: exampleDigest('b'), reference: 'registry.example.com/team/other:1' })
  assert.equal((await ask(server, 'POST', '/api/v1/signatures', { token, body: signed })).status, 201)
  assert.equal((await wanted())[0]?.repository, 'team/app')
})

test('where reads are private, only who may read everything learns what is wanted', async () => {
  const server = await testServer({ reads: { cacheSeconds: 0, private: true } })
  const status = async (token?: string) =>
    (await ask(server, 'GET', '/api/v1/wanted', token ? { token } : {})).status
  assert.equal(await status(), 401)
  assert.equal(await status(await server.token('read:team/**')), 403)
  assert.equal(await status(await server.token('read:**')), 200)
})

test('a flood of names that nobody else asks for pushes nothing out, and takes bounded memory', () => {
  let now = 1_000_000
  const missed = missedTop(() => now)
  for (let count = 0; count < 600; count++) {
    for (let image = 0; image < 20; image++) missed.miss(`wanted-${image}`)
    now += 1000
  }
  // Ten thousand a second for a minute, each name asked for twice.
  for (let count = 0; count < 600_000; count++) {
    missed.miss(`flood-${count >> 1}`)
    if (count % 10_000 === 0) now += 1000
  }
  const top = missed.top()
  assert.ok(top.length <= 512)
  assert.deepEqual(
    new Set(top.slice(0, 20).map(({ path }) => path)),
    new Set(Array.from({ length: 20 }, (_, image) => `wanted-${image}`)),
  )
  for (const { requests, since } of top.slice(0, 20)) assert.deepEqual([requests, since], [600, 1_000_000])
})

test('under a load of which only samples are looked at, the estimate is about right', () => {
  const now = 5_000_000
  const missed = missedTop(() => now)
  for (let count = 0; count < 400_000; count++) missed.miss(count % 8 < 5 ? 'often' : 'rare')
  const [first, second] = missed.top()
  assert.equal(first?.path, 'often')
  assert.ok(Math.abs((first?.requests ?? 0) / 250_000 - 1) < 0.15, String(first?.requests))
  assert.ok(Math.abs((second?.requests ?? 0) / 150_000 - 1) < 0.15, String(second?.requests))
})

test('what nobody asks for any more fades', () => {
  let now = 0
  const missed = missedTop(() => now)
  for (let count = 0; count < 100; count++) missed.miss('old')
  now = 7 * 86_400_000
  for (let count = 0; count < 3; count++) missed.miss('new')
  assert.deepEqual(
    missed.top().map(({ path }) => path),
    ['new', 'old'],
  )
  now = 60 * 86_400_000
  assert.deepEqual(missed.top(), [])
})
