import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually } from '../eventually.ts'
import { atEnd, run } from './program.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** Building and unpacking take minutes. */
const deadlineMilliseconds = 600_000

/** Runs a program that takes its time and must succeed; returns what it printed. */
export async function take(command: string, args: string[], cwd = checkout): Promise<string> {
  const options = { cwd, timeout: deadlineMilliseconds, maxBuffer: 64 * 1024 * 1024 }
  return (await promisify(execFile)(command, args, options)).stdout
}

/** A Debian of these packages and what they need, as a folder. */
export async function makeDebian(folder: string, packages: string[], suite = 'bookworm'): Promise<string> {
  const root = join(folder, 'debian')
  await take('debootstrap', ['--variant=minbase', `--include=${packages.join()}`, suite, root])
  // Node as npm has it: the one that runs this test.
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'))
  return root
}

export interface Podman {
  (...args: string[]): Promise<string>
  /** What comes before the command, and what `run` needs, for others that call podman. */
  options: string[]
  limits: string[]
  /** Runs a container to its end. */
  once(...args: string[]): Promise<string>
  /** Starts a container that is gone with the tests of this file, on the host's network unless another is given; returns its id. */
  start(...args: string[]): Promise<string>
}

/**
 * podman as root, with a store of its own, by what works inside of a container as well: runc, and groups without a
 * systemd.
 */
export async function newPodman(folder: string): Promise<Podman> {
  const store = [
    '--root',
    join(folder, 'store'),
    '--runroot',
    join(folder, 'r'),
    '--storage-driver',
    'overlay',
  ]
  // Where this machine is a container whose file system takes no overlays; there each layer is a whole copy.
  await take('podman', [...store, 'info']).catch(() => store.splice(-1, 1, 'vfs'))
  atEnd(async () => {
    // Behind the end of a container comes another podman, which mounts the store once more; each leaves it mounted.
    await eventually(() => !isInUse(join(folder, 'store')))
    await run('umount', ['--lazy', join(folder, 'store/overlay')])
  })
  const options = [...store, '--runtime', 'runc', '--cgroup-manager', 'cgroupfs']
  const limits = ['--ulimit', 'nofile=20000:20000', '--ulimit', 'nproc=1000:1000']
  const podman = (...args: string[]) => take('podman', [...options, ...args])
  return Object.assign(podman, {
    options,
    limits,
    once: (...args: string[]) => podman('run', '--rm', ...limits, ...args),
    async start(...args: string[]) {
      const network = args.includes('--network') ? [] : ['--network', 'host']
      const id = (await podman('run', '--detach', ...limits, ...network, ...args)).trim()
      atEnd(() => podman('rm', '--force', '--time', '10', id))
      return id
    },
  })
}

/** Whether a podman, or what watches over one of its containers, still has to do with this store. */
function isInUse(store: string): boolean {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return processes.some((pid) => {
    try {
      const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return ['podman', 'conmon'].includes(basename(program)) && args.includes(store)
    } catch {
      // It has ended.
      return false
    }
  })
}

/** The image of the Dockerfile, on a base of Debian packages and npm's Node. */
export async function buildImage(folder: string, podman: Podman, tag: string): Promise<void> {
  const root = await makeDebian(folder, ['libatomic1', 'libstdc++6'])
  await take('npm', ['install', '--silent', '--global', '--prefix', join(root, 'usr/local'), 'npm@11.19.1'])
  const changes = ['--change', 'ENV PATH=/usr/local/bin:/usr/bin:/bin']
  // Where this machine reaches the registry of npm through a proxy with a CA of its own.
  const ca = process.env.NODE_EXTRA_CA_CERTS
  if (ca !== undefined && existsSync(ca)) {
    mkdirSync(join(root, 'etc/ssl'), { recursive: true })
    copyFileSync(ca, join(root, 'etc/ssl/machine.crt'))
    changes.push('--change', 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/machine.crt')
  }
  const archive = join(folder, 'debian.tar')
  await take('tar', ['-C', root, '-cf', archive, '.'])
  await podman('import', ...changes, archive, 'localhost/node')
  const build = ['build', '--isolation=chroot', '--format', 'docker', '--network', 'host']
  await podman(...build, '--build-arg', 'NODE_IMAGE=localhost/node', '--tag', tag, checkout)
}
