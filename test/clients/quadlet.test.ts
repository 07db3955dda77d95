import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../eventually.ts'
import { buildImage, makeDebian, newPodman } from './container.ts'
import { workFolder } from './program.ts'

const tag = 'localhost/lookaside:latest'
const quadlet = fileURLToPath(new URL('../../packaging/lookaside.container', import.meta.url))
const place = '/etc/containers/systemd/lookaside.container'

/** podman of Debian 12 is older than quadlets; the machine is the Debian after it. */
const packages = ['systemd', 'systemd-sysv', 'podman', 'crun', 'netavark', 'nftables', 'catatonit', 'curl']

test('systemd starts the container of the quadlet, also with the machine; it is healthy, and keeps its data', async () => {
  const folder = workFolder()
  const podman = await newPodman(folder)
  await buildImage(folder, podman, tag)
  const home = join(folder, 'machine')
  mkdirSync(home)
  const root = await makeDebian(home, packages, 'trixie')
  // A container has no modules to load, which this one wants for podman.
  symlinkSync('/dev/null', join(root, 'etc/systemd/system/systemd-modules-load.service'))
  await podman('save', '--output', join(root, 'lookaside.tar'), tag)
  copyFileSync(quadlet, join(root, 'lookaside.container'))

  const alone = ['--privileged', '--systemd', 'always', '--network', 'none']
  const machine = await podman.start(...alone, '--rootfs', root, '/sbin/init')
  const exec = async (command: string) => (await podman('exec', machine, ...command.split(' '))).trim()
  const succeeds = (command: string) =>
    exec(command).then(
      () => true,
      () => false,
    )
  await eventually(() => succeeds('systemctl is-system-running'))
  await exec('podman load --input /lookaside.tar')
  await exec(`install -D -m 644 /lookaside.container ${place}`)
  await exec('systemctl daemon-reload')
  await exec('systemctl start lookaside')

  const health = 'podman inspect --format {{.State.Health.Status}} lookaside'
  const isHealthy = async () => (await exec(health)) === 'healthy'
  await eventually(isHealthy)
  assert.equal(await exec('podman exec lookaside id -u'), '10001')
  await assert.rejects(exec('podman exec lookaside touch /opt/x'), /Read-only file system/)
  const volume = await exec('podman volume inspect --format {{.Mountpoint}} lookaside-data')
  const readiness = `curl --silent --fail --cacert ${volume}/tls/ca.crt https://localhost:8443/readyz`
  await eventually(() => succeeds(readiness))
  assert.equal(JSON.parse(await exec(readiness)).status, 'ok')

  await exec('podman exec lookaside lookaside token create --name kept --allow push:**')
  await exec('systemctl stop lookaside')
  assert.equal(await exec('systemctl show --property=Result --value lookaside'), 'success')
  await exec('systemctl start lookaside')
  await eventually(() => succeeds(readiness))

  await podman('stop', machine)
  await podman('start', machine)
  await eventually(() => succeeds(readiness))
  assert.match(await exec('podman exec lookaside lookaside token list'), /kept/)
})
