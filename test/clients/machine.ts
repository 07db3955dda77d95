import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Outcome, run } from './program.ts'
import type { Registry } from './registry.ts'

/** One requirement of containers-policy.json(5). */
export type Requirement = Record<string, string>

/** A machine that pulls or signs images: a home folder that nobody else has. */
export interface Machine {
  /** The folder that holds registries.d and certs.d. */
  containers: string
  /** Makes its clients require all that is given of the images of the registry. */
  require(...requirements: Requirement[]): void
  /** Makes its clients read the signatures of the registry there, in the file of `lookaside client-config`. */
  readFrom(lookaside: string): void
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

/** It trusts the certificate of that registry, and accepts any image until told otherwise. */
export function newMachine(folder: string, registry: Registry): Machine {
  // podman refuses a --runroot of more than 50 characters.
  const home = join(folder, `m${++machines}`)
  const containers = join(home, '.config/containers')
  const policy = join(containers, 'policy.json')
  const certificates = join(containers, 'certs.d', registry.host)
  // For root too, the folders of the home, where they exist, are read instead of those in /etc/containers.
  mkdirSync(join(containers, 'registries.d'), { recursive: true })
  mkdirSync(certificates, { recursive: true })
  cpSync(registry.ca, join(certificates, 'registry.crt'))

  const require: Machine['require'] = (...requirements) =>
    writeFileSync(
      policy,
      JSON.stringify({
        default: [{ type: 'reject' }],
        transports: { docker: { [registry.host]: requirements }, oci: { '': [anything] } },
      }),
    )
  require(anything)

  const env = { HOME: home }
  const storage = (program: string) => [
    ...['--root', join(home, program, 'root'), '--runroot', join(home, program, 'run')],
    ...['--storage-driver', 'vfs'],
  ]
  // Told, so that no policy of the machine counts.
  const trust = ['--signature-policy', policy]
  return {
    containers,
    require,
    // YAML has JSON in it.
    readFrom: (lookaside) =>
      writeFileSync(
        join(containers, `registries.d/lookaside-${registry.host}.yaml`),
        JSON.stringify({ docker: { [registry.host]: { lookaside } } }),
      ),
    newFolder: () => mkdtempSync(join(home, 'folder-')),
    skopeo: (args, more, command = 'skopeo') => run(command, args, { env: { ...env, ...more } }),
    podman: (command, ...args) =>
      run(
        'podman',
        [...storage('podman'), '--tmpdir', join(home, 'podman/tmp'), command, ...trust, ...args],
        { env },
      ),
    buildah: (command, ...args) =>
      run('buildah', [...storage('buildah'), command, ...trust, ...args], { env }),
  }
}
