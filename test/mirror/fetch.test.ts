import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { newFetch } from '../../src/mirror/fetch.ts'
import type { SourceTrouble } from '../../src/mirror/trouble.ts'
import { testServer } from '../server.ts'
import { type Answering, hostileServer } from './hostile-server.ts'

async function fetchFrom(answer: Answering, token: string | null = null) {
  const { origin, requests } = await hostileServer(answer)
  return {
    requests,
    ...newFetch({ from: `${origin}/signatures`, ca: [], token, userAgent: 'lookaside/test' }),
  }
}

test('a redirect within the origin is followed, with the token, and one that leaves it is not', async () => {
  const seen: unknown[] = []
  const { fetch } = await fetchFrom((request, response, url) => {
    seen.push(
      request.headers.authorization,
      request.headers['user-agent'],
      request.headers['accept-encoding'],
    )
    if (url.pathname === '/signatures/old') response.writeHead(301, { location: '/signatures/new' }).end()
    else if (url.pathname === '/signatures/new') response.end('here')
    else response.writeHead(302, { location: 'https://localhost:1/' }).end()
  }, 'secret')
  const { status, body } = await fetch('/old', { maxBytes: 100 })
  assert.deepEqual([status, body.toString()], [200, 'here'])
  const sent = ['Bearer secret', 'lookaside/test', undefined]
  assert.deepEqual(seen, [...sent, ...sent])
  await assert.rejects(fetch('/away', { maxBytes: 100 }), /redirects to another place, https:\/\/localhost:1/)
})

test('a token is not sent in the clear to another machine', () => {
  const settings = { from: 'http://sigs.example.com/signatures', ca: [], userAgent: 'lookaside/test' }
  assert.throws(() => newFetch({ ...settings, token: 'secret' }), { name: 'Refusal', code: 'configuration' })
})

test('what is not below the source is not asked for', async () => {
  const { fetch, requests } = await fetchFrom((_, response) => void response.end())
  for (const path of ['/../api', '/%2e%2e/api', 'x', '/a/../../b', '/\\..\\..\\b'])
    await assert.rejects(fetch(path, { maxBytes: 100 }), /names what is not below it/, path)
  assert.deepEqual(requests, [])
})

test('an answer that only trickles ends', async () => {
  const { fetch } = await fetchFrom((_, response) => {
    const timer = setInterval(() => response.write('x'), 10)
    response.on('close', () => clearInterval(timer))
  })
  await assert.rejects(fetch('/slow', { maxBytes: 1e6, patience: 300 }), /did not answer in time/)
})

test('no more than four requests are under way at once', async () => {
  let running = 0
  let most = 0
  const { fetch } = await fetchFrom((_, response) => {
    most = Math.max(most, ++running)
    setTimeout(() => {
      running--
      response.end()
    }, 20)
  })
  await Promise.all(Array.from({ length: 20 }, (_, index) => fetch(`/${index}`, { maxBytes: 100 })))
  assert.equal(most, 4)
})

test('a source that is busy says how long it wants to be left alone', async () => {
  const { fetch } = await fetchFrom((_, response, url) => {
    const retry = url.pathname.endsWith('date') ? new Date(Date.now() + 90_000).toUTCString() : '7'
    response.writeHead(503, { 'retry-after': retry }).end()
  })
  const secondsOf = (path: string) =>
    fetch(path, { maxBytes: 100 }).then(
      () => assert.fail('it was answered'),
      (error: SourceTrouble) => error.retryAfterSeconds,
    )
  assert.equal(await secondsOf('/seconds'), 7)
  const until = await secondsOf('/date')
  assert.ok(until > 80 && until <= 90, `${until}`)
})

test('the CA of a source is trusted where it is named, and only there', async () => {
  const server = await testServer({ tls: { mode: 'auto', names: [] } })
  const settings = { from: `${server.origin}/signatures`, token: null, userAgent: 'lookaside/test' }
  const trusting = newFetch({ ...settings, ca: [readFileSync(server.ca ?? '', 'utf8')] })
  assert.equal((await trusting.fetch('/none', { maxBytes: 10_000 })).status, 404)
  await trusting.close()
  const wary = newFetch({ ...settings, ca: [] })
  await assert.rejects(wary.fetch('/none', { maxBytes: 10_000 }), /not signed by a CA that is trusted here/)
  await wary.close()
})
