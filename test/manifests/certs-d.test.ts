import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { registryCertificates } from '../../src/manifests/certs-d.ts'
import { newHttps } from '../../src/manifests/https.ts'
import { temporaryFolder } from '../temporary.ts'
import { ca, tls } from './https-server.ts'
import { refusal } from './refusals.ts'

const root = temporaryFolder()
const configHome = join(root, 'home/.config')

const read = (host: string) => registryCertificates(host, { configHome, root })

function write(file: string, content: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), content)
}

test('certificates are those of the first folder that is there, for exactly that host and port', async () => {
  assert.deepEqual(await read('quay.io'), { ca: [], clients: [] })
  write('etc/docker/certs.d/quay.io/a.crt', 'docker')
  assert.deepEqual(await read('quay.io'), { ca: ['docker'], clients: [] })
  write('etc/containers/certs.d/quay.io/b.crt', 'b')
  write('etc/containers/certs.d/quay.io/a.crt', 'a')
  write('etc/containers/certs.d/quay.io/other.pem', 'other')
  assert.deepEqual(await read('quay.io'), { ca: ['a', 'b'], clients: [] })
  mkdirSync(join(configHome, 'containers/certs.d/quay.io'), { recursive: true })
  assert.deepEqual(await read('quay.io'), { ca: [], clients: [] })
  assert.deepEqual(await read('quay.io:443'), { ca: [], clients: [] })
})

test('a client certificate has its key beside it', async () => {
  write('etc/docker/certs.d/two.io/client.cert', 'certificate')
  await assert.rejects(read('two.io'), refusal('configuration', /client.key cannot be read/))
  write('etc/docker/certs.d/two.io/client.key', 'key')
  assert.deepEqual(await read('two.io'), { ca: [], clients: [{ certificate: 'certificate', key: 'key' }] })
})

test('a client certificate is shown to the registry, and to no other', async (context) => {
  const shown: boolean[] = []
  const start = async () => {
    const server = createServer(
      { ...tls, ca, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        shown.push(Object.keys((request.socket as TLSSocket).getPeerCertificate()).length > 0)
        response.end()
      },
    ).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    context.after(() => {
      server.close()
      server.closeAllConnections()
    })
    return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
  const [registry, other] = [await start(), await start()]
  const clients = [{ certificate: tls.cert, key: tls.key }]
  const certificates = { ca: [ca], clients }
  const https = newHttps({ origin: registry.origin, certificates, userAgent: 'test', env: {} })
  await https(registry, { maxBytes: 100 })
  await https(other, { maxBytes: 100 })
  assert.deepEqual(shown, [true, false])
})

test('what is no certificate in a folder does not keep the others from being trusted', async () => {
  const server = createServer(tls, (_request, response) => response.end('there')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const certificates = { ca: ['no certificate', '', ca], clients: [] }
  const https = newHttps({ origin: url.origin, certificates, userAgent: 'test', env: {} })
  assert.equal((await https(url, { maxBytes: 100 })).body.toString(), 'there')
  server.close()
  server.closeAllConnections()
})
