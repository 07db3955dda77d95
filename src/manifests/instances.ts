import { type Child, maxChildren, readManifest } from '../claim/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { fileManifests } from './manifest-file.ts'
import type { Manifests } from './manifests.ts'
import { layoutManifests } from './oci-layout.ts'
import { registryManifests } from './registry.ts'
import { type RegistryAccess, registryRepository } from './registry-repository.ts'

/** Where the manifests of an image are read. */
export type Source =
  | { kind: 'registry'; access: RegistryAccess }
  /** DIR, DIR:NAME, DIR:@N or DIR@DIGEST. */
  | { kind: 'oci-layout'; place: string }
  | { kind: 'file'; file: string }

/** One manifest that clients verify and run. */
export interface Instance {
  digest: Digest
  /** `linux/arm64/v8`; of several that share a manifest, all: `linux/arm/v6, linux/arm/v7`; null: nobody says. */
  platform: string | null
  /** Clients never run it; but those that copy the whole image verify it too. */
  isAttestation: boolean
}

/** What an image consists of. */
export interface ImageManifests {
  /** Of the manifest that the image names. */
  digest: Digest
  /** Whether that is an index. Clients verify its instances, and never the index itself. */
  isIndex: boolean
  /** In the order of the index, each digest once; of an image without an index it is the one with its own digest. */
  instances: Instance[]
}

/** An index in an index in an index; nobody makes deeper ones, and most clients follow none. */
const maxDepth = 3

/** Each is read whole. */
const maxNestedIndexes = 16

/**
 * Finds the manifest of an image and, where it is an index, those of its platforms. An index in an index is followed, and
 * is no instance itself.
 * @throws Refusal manifest for what is none that can be signed or verified; configuration, digest-mismatch, not-found,
 * no-credentials, bad-credentials, not-allowed; Error where a registry cannot be reached
 */
export async function findManifests(image: ImageReference, source: Source): Promise<ImageManifests> {
  return findManifestsIn(manifestsIn(source, image), image.digest ?? null)
}

/** The same for who asks a place more than once. */
export async function findManifestsIn(manifests: Manifests, wanted: Digest | null): Promise<ImageManifests> {
  const { digest, bytes } = await manifests.named(wanted)
  const manifest = readManifest(bytes)
  if (wanted !== null && digest !== wanted)
    throw new Refusal(
      'configuration',
      `The digest is ${wanted} or ${digest}, which was found there, not both`,
    )
  if (!manifest.isIndex)
    return { digest, isIndex: false, instances: [{ digest, platform: null, isAttestation: false }] }
  const entries = await flatten(manifest.children, manifests)
  return { digest, isIndex: true, instances: merge(entries) }
}

function manifestsIn(source: Source, image: ImageReference): Manifests {
  switch (source.kind) {
    case 'registry':
      return registryManifests(registryRepository(image, source.access), image)
    case 'oci-layout':
      return layoutManifests(source.place)
    case 'file':
      return fileManifests(source.file)
  }
}

/** The entries that are no indexes, and those of the indexes among them in their place. */
async function flatten(children: readonly Child[], manifests: Manifests): Promise<Child[]> {
  const followed = new Set<Digest>()

  const entriesOf = async (entries: readonly Child[], depth: number): Promise<Child[]> => {
    const found: Child[] = []
    for (const entry of entries) {
      if (!entry.isIndex) found.push(entry)
      else if (!followed.has(entry.digest)) found.push(...(await entriesIn(entry.digest, depth + 1)))
      if (found.length > maxChildren) refuse(`it names more than ${maxChildren} manifests`)
    }
    return found
  }

  const entriesIn = async (digest: Digest, depth: number): Promise<Child[]> => {
    followed.add(digest)
    if (depth > maxDepth) refuse(`its indexes nest deeper than ${maxDepth}`)
    if (followed.size > maxNestedIndexes) refuse(`it names more than ${maxNestedIndexes} other indexes`)
    const manifest = readManifest(await manifests.byDigest(digest))
    if (!manifest.isIndex) refuse(`it names ${digest} as an index, which is none`)
    return entriesOf(manifest.children, depth)
  }

  return entriesOf(children, 0)
}

/** One manifest may be listed for several platforms. It is an attestation only if every entry says so. */
function merge(entries: readonly Child[]): Instance[] {
  const byDigest = Map.groupBy(entries, ({ digest }) => digest)
  return [...byDigest].map(([digest, same]) => {
    const platforms = new Set(same.flatMap(({ platform }) => platform ?? []))
    return {
      digest,
      platform: platforms.size ? [...platforms].join(', ') : null,
      isAttestation: same.every(({ isAttestation }) => isAttestation),
    }
  })
}

function refuse(reason: string): never {
  throw new Refusal('manifest', `The index is not followed: ${reason}`)
}
