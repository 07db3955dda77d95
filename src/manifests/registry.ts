import { hasDigest, manifestDigest, manifestTypes } from '../claim/manifest.ts'
import { type Digest, isDigest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import type { Manifests } from './manifests.ts'
import type { RegistryRepository } from './registry-repository.ts'

/** The manifests of an image in its repository. */
export function registryManifests(
  repository: RegistryRepository,
  { tag }: Pick<ImageReference, 'tag'>,
): Manifests {
  const { host } = repository

  const get = async (reference: string): Promise<Buffer> => {
    const name = nameOf(repository, reference)
    return (await repository.ask(`manifests/${reference}`, { name, accept: manifestTypes })).body
  }

  const byDigest = async (digest: Digest): Promise<Uint8Array> => {
    const bytes = await get(digest)
    if (!hasDigest(bytes, digest))
      throw new Refusal(
        'digest-mismatch',
        `${host} was asked for ${digest}, and answered with another manifest`,
      )
    return bytes
  }

  return {
    byDigest,
    async named(wanted) {
      if (wanted !== null) return { digest: wanted, bytes: await byDigest(wanted) }
      if (tag === undefined)
        throw new Refusal(
          'configuration',
          `Say which image the registry is asked for: ${formatReference(repository)}:TAG, or its digest`,
        )
      const bytes = await get(tag)
      return { digest: manifestDigest(bytes), bytes }
    },
  }
}

/**
 * The digest that a tag has now, by the word of the registry and without its manifest: registries that count what is
 * pulled do not count this.
 * @throws as `RegistryRepository.ask`
 */
export async function digestOfTag(repository: RegistryRepository, tag: string): Promise<Digest> {
  const name = nameOf(repository, tag)
  const request = { name, accept: manifestTypes }
  const { headers } = await repository.ask(`manifests/${tag}`, { ...request, method: 'HEAD' })
  const digest = headers['docker-content-digest']
  if (typeof digest === 'string' && isDigest(digest)) return digest
  return manifestDigest((await repository.ask(`manifests/${tag}`, request)).body)
}

function nameOf({ host, path }: RegistryRepository, reference: string): string {
  return `${host}/${path}${reference.includes(':') ? '@' : ':'}${reference}`
}
