import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { buildImage, makeDebian, newPodman, type Podman, take } from './container.ts'
import { newMachine, signedBy } from './machine.ts'
import { atEnd, run } from './program.ts'
import { newCertificate } from './registry.ts'
import { accepted, startSite } from './site.ts'

const packaging = new URL('../../packaging/', import.meta.url)

/** As the image of nginx at Docker Hub has it: conf.d is read, logs go to where `podman logs` has them, the rest to /run and its cache. */
const nginxConfiguration = `
user www-data;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events {}
http {
  access_log /dev/stdout;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path /var/cache/nginx/${name};`).join('\n  ')}
  include /etc/nginx/conf.d/*.conf;
}
`

async function importNginx(folder: string, podman: Podman): Promise<void> {
  const home = join(folder, 'nginx')
  mkdirSync(home)
  const root = await makeDebian(home, ['nginx-light'])
  writeFileSync(join(root, 'etc/nginx/nginx.conf'), nginxConfiguration)
  mkdirSync(join(root, 'var/cache/nginx'))
  const archive = join(home, 'nginx.tar')
  await take('tar', ['-C', root, '-cf', archive, '.'])
  const command = ['--change', 'CMD ["nginx", "-g", "daemon off;"]']
  await podman('import', ...command, archive, 'docker.io/library/nginx:stable')
}

test('compose starts the server behind nginx, which knows who asks, and serves clients while the server is away', async () => {
  const site = await startSite()
  const { folder, registry, gnupg } = site
  const podman = await newPodman(folder)
  await buildImage(folder, podman, 'localhost/lookaside:latest')
  await importNginx(folder, podman)

  const home = join(folder, 'compose')
  mkdirSync(home)
  const port = await freePort()
  const origin = `https://localhost:${port}`
  const { certificate, key } = await newCertificate(home, 'server')
  copyFileSync(new URL('nginx.conf', packaging), join(home, 'nginx.conf'))
  const text = readFileSync(new URL('compose.yaml', packaging), 'utf8')
  const here = text
    .replace('"443:443"', `"${port}:443"`)
    .replace('LOOKASIDE_PUBLIC_URL: https://sigs.example.com', `LOOKASIDE_PUBLIC_URL: ${origin}`)
  assert.ok(here.includes(origin) && here.includes(`"${port}:443"`))
  writeFileSync(join(home, 'compose.yaml'), here)
  assert.deepEqual([certificate, key], [join(home, 'server.crt'), join(home, 'server.key')])

  // podman-compose calls podman by this name, with a store and networks that are gone with this test.
  const program = join(folder, 'podman')
  const options = [...podman.options, '--network-config-dir', join(folder, 'networks')]
  writeFileSync(program, `#!/bin/sh\nexec podman ${options.join(' ')} "$@"\n`, { mode: 0o755 })
  const limits = ['--podman-run-args', podman.limits.join(' ')]
  const compose = (...args: string[]) =>
    take('podman-compose', ['--podman-path', program, ...limits, '--project-name', 'site', ...args], home)
  atEnd(() => compose('down'))
  await compose('up', '-d')
  const ask = (...args: string[]) => run('curl', ['--silent', '--cacert', certificate, ...args])
  await eventually(async () => (await ask('--fail', `${origin}/readyz`)).code === 0)

  const made = await compose(
    'exec',
    '-T',
    'lookaside',
    'lookaside',
    'token',
    'create',
    '--name',
    'ci',
    '--allow',
    'push:**',
  )
  const token = /^lks_\S+$/m.exec(made)?.[0]
  const env = { LOOKASIDE_SERVER: origin, LOOKASIDE_CA: certificate }
  const alice = await gnupg.newKey('alice')
  const image = await site.publish('team/app')
  accepted(await site.server.command(token, ['push', await site.stage(image, alice)], { env }))
  await ask(
    '--header',
    'X-Forwarded-For: 198.51.100.7',
    '--user',
    'any:wrong',
    '--data',
    'x',
    `${origin}/api/v1/signatures`,
  )

  // Whom nginx saw, and neither nginx nor what a client says of itself.
  const exec = (...command: string[]) => podman('exec', 'site_lookaside_1', ...command)
  const trail = async (event: string) => {
    const lines = await exec('lookaside', 'audit', '--json', '--newest', '--limit', '1', '--event', event)
    return lines && JSON.parse(lines)
  }
  let seen = ''
  await eventually(async () => {
    const log = await podman('logs', 'site_nginx_1')
    seen = /^(\S+) .*"POST \/api\/v1\/signatures/m.exec(log)?.[1] ?? ''
    return seen !== ''
  })
  assert.ok(!(await podman('inspect', 'site_nginx_1')).includes(`"IPAddress": "${seen}"`))
  assert.equal((await trail('uploaded')).address, seen)
  await eventually(async () => (await trail('refused')).address === seen)

  const machine = newMachine(folder, registry)
  machine.trust({ host: registry.host, ca: certificate })
  machine.readFrom(`${origin}/signatures`)
  machine.require(signedBy(alice))
  const pull = () => machine.skopeo(['copy', `docker://${image.reference}`, `dir:${machine.newFolder()}`])
  accepted(await pull())
  await compose('stop', 'lookaside')
  accepted(await pull())
  await compose('start', 'lookaside')
  await eventually(async () => (await ask('--fail', `${origin}/readyz`)).code === 0)
})
