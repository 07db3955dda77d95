import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { get as getOverTls } from 'node:https'
import { test } from 'node:test'
import { freePort } from '../../free-port.ts'
import { testServer } from '../../server.ts'
import { get, page } from './browse.ts'

test('files for a client are those of the configuration', async () => {
  const registries = [
    { host: 'registry.example.com', prefix: '' as const },
    { host: 'quay.io', prefix: 'quay.io' as never },
  ]
  const listen = { host: '127.0.0.1', port: await freePort() }
  const started = await testServer({ registries, listen, publicUrl: 'https://sigs.example.com/lookaside' })
  const server = { ...started, port: listen.port }
  const text = await page(server, '/client?registry=quay.io')
  assert.ok(text.includes('lookaside: https://sigs.example.com/lookaside/signatures/quay.io\n'))
  assert.ok(text.includes('/etc/containers/registries.d/lookaside-quay.io.yaml'))
  assert.ok(text.includes('&quot;signedBy&quot;'))
  assert.ok(text.includes('href="/lookaside/style.css"'), 'links are below the path of the public URL')
  assert.match(await page(server, '/client'), /href="\/lookaside\/client\?registry=quay.io"/)
  assert.equal((await get(server, '/client?registry=docker.io')).status, 400)
})

test('with a private CA the files for a client have it, and nothing else of its folder', async () => {
  const server = await testServer({ tls: { mode: 'auto', names: [] } })
  const ca = readFileSync(server.ca ?? '', 'utf8')
  const text = await new Promise<string>((resolve, reject) => {
    getOverTls(`${server.origin}/client?registry=localhost:5000`, { ca }, (response) => {
      response.setEncoding('utf8')
      response.toArray().then((parts) => resolve(parts.join('')), reject)
    }).on('error', reject)
  })
  assert.ok(text.includes('/etc/containers/certs.d/localhost:5000/lookaside.crt'))
  assert.ok(text.includes(ca.trim()))
  assert.doesNotMatch(text, /PRIVATE KEY/)
})
