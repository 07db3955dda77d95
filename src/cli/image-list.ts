import { repositoryOf } from '../admission/place.ts'
import type { Subject } from '../bundle/select.ts'
import type { Config } from '../config/config.ts'
import { readImageNames } from '../manifests/image-names.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { type DigestOptions, manifestsOf } from './image.ts'

type RegistryOptions = Pick<DigestOptions, 'fromRegistry' | 'authfile' | 'registryCa'>

/**
 * The digests of the images in a list, a line each, at the repositories where their signatures are kept. From a registry
 * come the digests of tags, and of the manifests in an index; without one, only what a line names.
 * @throws Refusal configuration; what `readImageNames` and `findManifests` throw
 */
export async function subjectsOf(
  file: string,
  options: RegistryOptions,
  { registries }: Config,
  env: NodeJS.ProcessEnv,
): Promise<Subject[]> {
  const subjects: Subject[] = []
  for (const { image, place } of await readImageNames(file)) {
    try {
      const repository = repositoryOf(image, registries)
      if (repository instanceof Refusal) throw repository
      for (const digest of await digestsOf(image, options, env)) subjects.push({ repository, digest })
    } catch (cause) {
      if (cause instanceof Refusal) throw new Refusal(cause.code, `${place}: ${cause.message}`, { cause })
      throw new Error(`${place}: ${(cause as Error).message}`, { cause })
    }
  }
  if (!subjects.length) throw new Refusal('configuration', `${file} names no image`)
  return subjects
}

async function digestsOf(image: ImageReference, options: RegistryOptions, env: NodeJS.ProcessEnv) {
  const manifests = await manifestsOf(image, options, env)
  if (manifests) return new Set([manifests.digest, ...manifests.instances.map(({ digest }) => digest)])
  if (image.digest !== undefined) return [image.digest]
  throw new Refusal('configuration', 'it names no digest: write NAME@DIGEST, or ask with --from-registry')
}
