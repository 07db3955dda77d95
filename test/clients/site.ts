import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { claimOf } from '../signing.ts'
import { type Gnupg, newGnupg, type SigningKey } from './gnupg.ts'
import { type Image, writeImage } from './image.ts'
import { type Lookaside, startLookaside } from './lookaside.ts'
import { type Machine, newMachine } from './machine.ts'
import { type Outcome, workFolder } from './program.ts'
import { type Registry, startRegistry } from './registry.ts'

export interface PublishedImage extends Image {
  /** `localhost:5000/team/app:1.0`; no other has it. */
  reference: string
  /** `team/app`. */
  repository: string
  /** `team/app@sha256=…`, as a lookaside has it. */
  location: string
}

/** A registry, a lookaside server and the keys of signers. */
export interface Site {
  folder: string
  registry: Registry
  server: Lookaside
  gnupg: Gnupg
  /** An image that no other has the digest of, pushed to the registry without signatures. */
  publish(repository: string): Promise<PublishedImage>
  /** Signs a published image with `skopeo copy --sign-by`; returns the folder that has nothing but the signature staged. */
  stage(image: PublishedImage, key: SigningKey): Promise<string>
  /** Signs a claim about an image with gpg; returns the file, of plain packets, changed. */
  signFile(
    image: PublishedImage,
    key: SigningKey,
    change?: (bytes: Uint8Array) => Uint8Array,
    time?: string,
  ): Promise<string>
  /** A machine that is told by `lookaside client-config` where to read. */
  configuredMachine(...options: string[]): Promise<Machine>
}

/** It is gone with the tests of this file. */
export async function startSite(
  configure: (
    site: Pick<Site, 'folder' | 'registry' | 'gnupg'>,
  ) => Promise<Record<string, unknown>> = async () => ({}),
): Promise<Site> {
  const folder = workFolder()
  const registry = await startRegistry(folder)
  const gnupg = newGnupg(folder)
  const server = await startLookaside(folder, await configure({ folder, registry, gnupg }))

  const configuredMachine: Site['configuredMachine'] = async (...options) => {
    const machine = newMachine(folder, registry)
    const target = ['--registry', registry.host, '--server', server.url]
    accepted(await server.administer('client-config', ...target, '--output', machine.containers, ...options))
    return machine
  }
  let images = 0
  let stagings = 0
  let files = 0
  return {
    folder,
    registry,
    server,
    gnupg,
    configuredMachine,
    publish: async (repository) => {
      const image = writeImage(join(folder, `image-${++images}`), `image ${images} of ${folder}\n`)
      const reference = `${registry.host}/${repository}:1.${images}`
      const machine = newMachine(folder, registry)
      accepted(await machine.skopeo(['copy', `oci:${image.layout}`, `docker://${reference}`]))
      return { ...image, reference, repository, location: `${repository}@${image.digest.replace(':', '=')}` }
    },
    stage: async ({ reference, layout }, { fingerprint }) => {
      const staging = join(folder, `staging-${++stagings}`)
      const machine = await configuredMachine('--staging', staging)
      const copy = ['copy', '--sign-by', fingerprint, `oci:${layout}`, `docker://${reference}`]
      accepted(await machine.skopeo(copy, gnupg.env))
      return staging
    },
    signFile: async ({ reference, digest }, key, change = (bytes) => bytes, time) => {
      const claim = join(folder, `claim-${++files}`)
      const file = `${claim}.gpg`
      writeFileSync(claim, claimOf({ reference, digest }))
      await gnupg.sign(key, claim, file, time)
      writeFileSync(file, change(readFileSync(file)))
      return file
    },
  }
}

export function accepted({ code, stdout, stderr }: Outcome): void {
  assert.equal(code, 0, stdout + stderr)
}

export function refused({ code, stdout, stderr }: Outcome, reason: RegExp): void {
  assert.notEqual(code, 0, `nothing was refused:\n${stdout}${stderr}`)
  assert.match(stdout + stderr, reason)
}

/** Every client that is tested, pulling an image from the registry. */
export const clients: Record<string, (machine: Machine, image: { reference: string }) => Promise<Outcome>> = {
  'skopeo copy': (machine, { reference }) =>
    machine.skopeo(['copy', `docker://${reference}`, `dir:${machine.newFolder()}`]),
  'podman pull': (machine, { reference }) => machine.podman('pull', reference),
  'buildah pull': (machine, { reference }) => machine.buildah('pull', '--policy', 'always', reference),
}
