import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newHttps } from '../../src/manifests/https.ts'
import { answering } from '../cli/answering.ts'
import { ca, httpsServer } from './https-server.ts'

const https = (milliseconds: number, env: NodeJS.ProcessEnv = {}) =>
  newHttps({
    origin: 'https://127.0.0.1',
    certificates: { ca: [ca], clients: [] },
    userAgent: 'test',
    env,
    milliseconds,
  })

test('an answer that trickles is left, however much of it has come', async () => {
  const timers = new Set<NodeJS.Timeout>()
  const { url } = await httpsServer((_request, response) => {
    const timer = setInterval(() => response.write(' '), 10)
    timers.add(timer)
    response.on('close', () => clearInterval(timer))
  })
  await assert.rejects(https(300)(new URL(url), { maxBytes: 1000 }), /did not answer in time/)
  for (const timer of timers) clearInterval(timer)
})

test('the time that is given includes all redirects', async () => {
  const { url, asked } = await httpsServer((request, response) => {
    setTimeout(() => response.writeHead(302, { location: `${request.url}x` }).end(), 100)
  })
  await assert.rejects(https(350)(new URL(url), { maxBytes: 1000 }), /did not answer in time/)
  assert.ok(asked.length <= 4)
})

test('a proxy is used for other machines, and not for this one', async () => {
  const proxy = await answering(() => {})
  const asking = https(5000, { HTTPS_PROXY: proxy.url })
  const { url } = await httpsServer((_request, response) => response.end('here'))
  assert.equal((await asking(new URL(url), { maxBytes: 1000 })).body.toString(), 'here')
  assert.equal(proxy.connections(), 0)
  // It closes what it is asked for with CONNECT.
  await assert.rejects(asking(new URL('https://registry.invalid/'), { maxBytes: 1000 }), /cannot be asked/)
  assert.equal(proxy.connections(), 1)
})
