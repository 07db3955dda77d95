import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Outcome, run } from './program.ts'
import type { Registry } from './registry.ts'

/** One requirement of containers-policy.json(5). */
export type Requirement = Record<string, string | Record<string, string>>

/** A machine that pulls or signs images: a home folder that nobody else has. */
export interface Machine {
  /** Where podman and buildah run, which make names of the paths of layouts: this one has no capitals, if relative. */
  home: string
  /** The folder that holds registries.d and certs.d. */
  containers: string
  /** Makes its clients take a certificate for a registry, beside those they took before. */
  trust(registry: Registry): void
  /** Makes its clients require all that is given of the images of the registry. */
  require(...requirements: Requirement[]): void
  /** Makes its clients read the signatures of the registry, or of another, there, in the file of `lookaside client-config`. */
  readFrom(lookaside: string, host?: string): void
  /** An empty folder. */
  newFolder(): string
  /** By `command`, if it is not to be the one of the system. */
  skopeo(args: string[], env?: NodeJS.ProcessEnv, command?: string): Promise<Outcome>
  podman(command: string, ...args: string[]): Promise<Outcome>
  buildah(command: string, ...args: string[]): Promise<Outcome>
}

let machines = 0

export const anything: Requirement = { type: 'insecureAcceptAnything' }

export const signedBy = ({ publicKey }: { publicKey: string }): Requirement => ({
  type: 'signedBy',
  keyType: 'GPGKeys',
  keyPath: publicKey,
})

/**
 * It trusts the certificate of that registry, and accepts any image until told otherwise.
 * @param more what is in the environment of every program: where its gpg has its keys
 */
export function newMachine(folder: string, registry: Registry, more: NodeJS.ProcessEnv = {}): Machine {
  // podman refuses a --runroot of more than 50 characters.
  const home = join(folder, `m${++machines}`)
  const containers = join(home, '.config/containers')
  const policy = join(containers, 'policy.json')
  // For root too, the folders of the home, where they exist, are read instead of those in /etc/containers.
  mkdirSync(join(containers, 'registries.d'), { recursive: true })
  let certificates = 0
  const trust: Machine['trust'] = ({ host, ca }) => {
    const certificate = join(containers, 'certs.d', host, `registry-${++certificates}.crt`)
    cpSync(ca, certificate)
  }
  trust(registry)

  const require: Machine['require'] = (...requirements) =>
    writeFileSync(
      policy,
      JSON.stringify({
        default: [{ type: 'reject' }],
        transports: {
          docker: { [registry.host]: requirements },
          oci: { '': [anything] },
          dir: { '': [anything] },
          // What podman pushes.
          'containers-storage': { '': [anything] },
        },
      }),
    )
  require(anything)

  const env = { HOME: home, ...more }
  const storage = (program: string) => [
    ...['--root', join(home, program, 'root'), '--runroot', join(home, program, 'run')],
    ...['--storage-driver', 'vfs'],
  ]
  // Told, so that no policy of the machine counts.
  const told = ['--signature-policy', policy]
  return {
    home,
    containers,
    trust,
    require,
    // YAML has JSON in it.
    readFrom: (lookaside, host = registry.host) =>
      writeFileSync(
        join(containers, `registries.d/lookaside-${host}.yaml`),
        JSON.stringify({ docker: { [host]: { lookaside } } }),
      ),
    newFolder: () => mkdtempSync(join(home, 'folder-')),
    skopeo: (args, more, command = 'skopeo') => run(command, args, { env: { ...env, ...more } }),
    podman: (command, ...args) =>
      run('podman', [...storage('podman'), '--tmpdir', join(home, 'podman/tmp'), command, ...told, ...args], {
        env,
        cwd: home,
      }),
    buildah: (command, ...args) =>
      run('buildah', [...storage('buildah'), command, ...told, ...args], { env, cwd: home }),
  }
}
