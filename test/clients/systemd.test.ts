import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { packPackage } from '../library/package.ts'
import { makeDebian, newPodman, take } from './container.ts'
import { run, workFolder } from './program.ts'

const unit = fileURLToPath(new URL('../../packaging/lookaside.service', import.meta.url))

/** What `systemd-analyze security` says of a service that may do nothing is 0, of one without a setting 9.6. */
const mostExposure = 2

test('systemd starts the unit of a package that npm installed, knows when it answers, and stops it in order', async () => {
  const folder = workFolder()
  const root = await makeDebian(folder, ['libatomic1', 'libstdc++6', 'systemd', 'systemd-sysv'])
  const { tarball } = packPackage(folder)
  await take('npm', ['install', '--silent', '--global', '--prefix', join(root, 'usr/local'), tarball])
  copyFileSync(unit, join(root, 'etc/systemd/system/lookaside.service'))
  const port = await freePort()
  mkdirSync(join(root, 'etc/lookaside'))
  const configuration = { data: '/var/lib/lookaside', listen: `localhost:${port}`, workers: 2 }
  writeFileSync(join(root, 'etc/lookaside/lookaside.yaml'), JSON.stringify(configuration))

  const podman = await newPodman(folder)
  const machine = await podman.start('--privileged', '--systemd', 'always', '--rootfs', root, '/sbin/init')
  const exec = (...command: string[]) => podman('exec', machine, ...command)
  await eventually(() =>
    exec('systemctl', 'is-system-running').then(
      () => true,
      () => false,
    ),
  )
  await exec(
    'useradd',
    '--system',
    '--home-dir',
    '/var/lib/lookaside',
    '--shell',
    '/usr/sbin/nologin',
    'lookaside',
  )
  assert.equal(await exec('systemd-analyze', 'verify', 'lookaside.service'), '')
  const exposure = /level for lookaside.service: ([0-9.]+)/.exec(
    await exec('systemd-analyze', 'security', '--no-pager', 'lookaside.service'),
  )
  assert.ok(Number(exposure?.[1]) <= mostExposure, `${exposure}`)

  // It returns when the server has said that it is ready.
  await exec('systemctl', 'start', 'lookaside')
  const ready = () => run('curl', ['--silent', '--insecure', `https://localhost:${port}/readyz`])
  assert.notEqual((await ready()).stdout, '')
  // What admits uploads may come a little later.
  await eventually(async () => JSON.parse((await ready()).stdout).status === 'ok')
  const pid = (await exec('systemctl', 'show', '--property=MainPID', '--value', 'lookaside')).trim()
  const status = await exec('cat', `/proc/${pid}/status`)
  for (const line of [/^CapBnd:\s*0{16}$/m, /^NoNewPrivs:\s*1$/m, /^Seccomp:\s*2$/m])
    assert.match(status, line)
  assert.doesNotMatch(status, /^Uid:\s*0/m)
  const asUser = (...command: string[]) =>
    exec(
      'runuser',
      '-u',
      'lookaside',
      '--',
      'lookaside',
      ...command,
      '--config',
      '/etc/lookaside/lookaside.yaml',
    )
  await asUser('backup', '/var/lib/lookaside/backup')
  await assert.rejects(asUser('restore', '/var/lib/lookaside/backup'), /has .* open/)

  await exec('systemctl', 'stop', 'lookaside')
  assert.equal(
    (await exec('systemctl', 'show', '--property=Result', '--value', 'lookaside')).trim(),
    'success',
  )
  // Where systemd lets it, the compiled program is kept.
  assert.notEqual(await exec('ls', '/var/cache/lookaside'), '')
  await asUser('restore', '/var/lib/lookaside/backup')
  await exec('systemctl', 'start', 'lookaside')
  assert.equal((await exec('systemctl', 'is-active', 'lookaside')).trim(), 'active')
})
