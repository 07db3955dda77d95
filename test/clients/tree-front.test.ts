import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { frontConfiguration } from './front-configuration.ts'
import { newMachine, signedBy } from './machine.ts'
import { runNginx } from './nginx.ts'
import { run } from './program.ts'
import { newCertificate } from './registry.ts'
import { accepted, startSite } from './site.ts'

test('nginx serves the tree by itself, what is not there yet from the server, and lets uploads and listings through', async () => {
  const publicPort = await freePort()
  const origin = `https://localhost:${publicPort}`
  const listen = `localhost:${await freePort()}`
  const site = await startSite(async () => ({
    listen,
    tls: { mode: 'off' },
    publicUrl: origin,
    trustedProxies: ['127.0.0.1', '::1'],
  }))
  const { folder, registry, server, gnupg } = site
  const home = join(folder, 'front')
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, 'front')
  const names = {
    'listen 443 ssl': `listen 127.0.0.1:${publicPort} ssl`,
    '/etc/nginx/server.crt': certificate,
    '/etc/nginx/server.key': key,
    '/data/tree': join(server.data, 'tree'),
    'lookaside:8080': listen,
  }
  await runNginx(home, `access_log off; ${frontConfiguration(names)}`)
  const env = { LOOKASIDE_SERVER: origin, LOOKASIDE_CA: certificate }
  const curl = (...args: string[]) => run('curl', ['--silent', '--cacert', certificate, ...args])
  const get = (path: string, ...args: string[]) =>
    curl(
      '--output',
      join(folder, 'body'),
      '--write-out',
      '%{http_code} %{content_type}',
      ...args,
      origin + path,
    )

  const alice = await gnupg.newKey('alice')
  const image = await site.publish('team/app')
  const slot = `/signatures/${image.location}/signature-1`
  assert.match((await get(slot)).stdout, /^404 /)
  const token = await server.token('push:team/**')
  accepted(await server.command(token, ['push', await site.stage(image, alice)], { env }))
  assert.equal((await get(slot)).stdout, '200 application/octet-stream')

  const machine = newMachine(folder, registry)
  machine.trust({ host: registry.host, ca: certificate })
  machine.readFrom(`${origin}/signatures`)
  machine.require(signedBy(alice))
  const pull = ({ reference }: { reference: string }) =>
    machine.skopeo(['copy', `docker://${reference}`, `dir:${machine.newFolder()}`])
  accepted(await pull(image))

  // An upload with PUT, to a path of the tree.
  const second = await site.publish('team/other')
  const blob = await site.signFile(second, alice)
  const place = `/signatures/${second.location}/signature-1`
  const elsewhere = ['--interface', '127.0.0.9', '--header', 'X-Forwarded-For: 192.0.2.1']
  const put = (password: string) =>
    get(place, '--request', 'PUT', '--data-binary', `@${blob}`, '--user', `any:${password}`, ...elsewhere)
  assert.match((await put('wrong')).stdout, /^401 /)
  assert.match((await put(token)).stdout, /^201 /)

  // The trail has the address that nginx saw, whatever a client says of itself.
  const trail = async (event: string) => {
    const { stdout } = await server.administer(
      'audit',
      '--event',
      event,
      '--newest',
      '--limit',
      '1',
      '--json',
    )
    return stdout && JSON.parse(stdout)
  }
  assert.equal((await trail('uploaded')).address, '127.0.0.9')
  await eventually(async () => (await trail('refused')).address === '127.0.0.9')

  assert.match((await get('/signatures/team/')).stdout, /^200 text\/html/)
  assert.match((await get('/api/v1/changes?after=99&wait=1')).stdout, /^200 application\/json/)
  for (const path of [
    '/signatures/.position',
    '/signatures/../lookaside.db',
    '/signatures/%2e%2e/lookaside.db',
  ])
    assert.match((await get(path, '--path-as-is')).stdout, /^4/, path)

  // Files come from nginx: the tree answers where the server is gone, and the server where the file is.
  const file = join(server.data, 'tree', image.location, 'signature-1')
  await eventually(() => existsSync(file))
  rmSync(file)
  accepted(await pull(image))
  await eventually(() => {
    try {
      return readFileSync(join(server.data, 'tree', second.location, 'signature-1')).length > 0
    } catch {
      return false
    }
  })
  assert.equal(await server.stop(), 0)
  assert.match((await get(place)).stdout, /^200 /)
  assert.deepEqual(readFileSync(join(folder, 'body')), readFileSync(blob))
  // What the tree has not is not there, so that clients come to an end; what is to be answered by the server fails.
  assert.match((await get(slot)).stdout, /^404 /)
  accepted(await pull(second))
  assert.match((await put(token)).stdout, /^502 /)
  assert.match((await get('/readyz')).stdout, /^502 /)
})
