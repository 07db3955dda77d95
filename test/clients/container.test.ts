import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { buildImage, newPodman } from './container.ts'
import { newMachine, signedBy } from './machine.ts'
import { everySkopeo } from './program.ts'
import { accepted, refused, startSite } from './site.ts'

const tag = 'localhost/lookaside:latest'

test('the image runs without root and with a read-only root, says that it is healthy, and serves skopeo', async (t) => {
  const site = await startSite()
  const { folder, registry, gnupg } = site
  const podman = await newPodman(folder)
  await buildImage(folder, podman, tag)
  const [image] = JSON.parse(await podman('image', 'inspect', tag))
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  assert.equal(image.Config.Labels['org.opencontainers.image.version'], version)

  const port = await freePort()
  const container = await podman.start(
    ...['--read-only', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'],
    ...[
      '--volume',
      'lookaside-data:/data',
      '--env',
      `LOOKASIDE_LISTEN=:${port}`,
      '--env',
      'LOOKASIDE_WORKERS=2',
    ],
    ...['--env', `LOOKASIDE_PUBLIC_URL=https://localhost:${port}`, tag],
  )
  const exec = (...command: string[]) => podman('exec', container, ...command)
  const isHealthy = () =>
    podman('healthcheck', 'run', container).then(
      () => true,
      () => false,
    )
  await eventually(isHealthy)
  assert.equal((await exec('id', '-u')).trim(), '10001')
  await assert.rejects(exec('touch', '/opt/lookaside/x'), /Read-only file system/)
  const written = (await podman('diff', container)).match(/^[AC] .*/gm) ?? []
  t.diagnostic(`what differs from the image: ${written.join(', ')}`)

  // One that listens where the container says, and is not well, is not healthy.
  await assert.rejects(exec('env', 'LOOKASIDE_LISTEN=:1', 'node', '/opt/lookaside/dist/cli/healthcheck.js'))

  const alice = await gnupg.newKey('alice')
  const published = await site.publish('team/app')
  const staged = await site.stage(published, alice)
  const token = (await exec('lookaside', 'token', 'create', '--name', 'ci', '--allow', 'push:team/**')).trim()
  const mounted = (await podman('volume', 'inspect', '--format', '{{.Mountpoint}}', 'lookaside-data')).trim()
  const ca = join(mounted, 'tls/ca.crt')
  const server = { LOOKASIDE_SERVER: `https://localhost:${port}`, LOOKASIDE_CA: ca }
  accepted(await site.server.command(token, ['push', staged], { env: server }))

  const machine = newMachine(folder, registry)
  machine.trust({ host: registry.host, ca })
  machine.readFrom(`https://localhost:${port}/signatures`)
  const copy = () => ['copy', `docker://${published.reference}`, `dir:${machine.newFolder()}`]
  let strangers = 0
  for (const { command } of await everySkopeo()) {
    machine.require(signedBy(alice))
    accepted(await machine.skopeo(copy(), {}, command))
    machine.require(signedBy(await gnupg.newKey(`stranger-${strangers++}`)))
    refused(await machine.skopeo(copy(), {}, command), /Source image rejected/)
  }

  const backup = '/data/backup'
  await exec('lookaside', 'backup', backup)
  await podman('stop', '--time', '30', container)
  assert.equal((await podman('inspect', '--format', '{{.State.ExitCode}}', container)).trim(), '0')
  const restore = ['--read-only', '--network', 'none', '--volume', 'lookaside-data:/data', tag]
  assert.match(await podman.once(...restore, 'restore', backup), /1 signatures and 1 changes restored/)
})
