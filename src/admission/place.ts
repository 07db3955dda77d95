import { may, type Principal } from '../access/principal.ts'
import type { Claim } from '../claim/claim.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { isRepository, type Repository } from '../reference/repository.ts'
import { type Location, requireStorable } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'

/** A registry host whose signatures live here, under its prefix (none: at the top). */
export interface Registry {
  host: string
  prefix?: string
}

/** A prefix that one source fills alone. */
export interface MirroredPrefix {
  prefix: string
  /** Its name, as storage has it. */
  source: string
}

/** Where an upload asked to be put; null: the default place. The digest is what its URL named, if it named one. */
export interface Wanted {
  repository: Repository | null
  digest: Digest | null
}

/**
 * Where a claim belongs: the place that was asked for, or the prefix of its registry and its path. Another place than
 * that takes the right to relocate there: a slip of the hand must not put one image's signatures beside another's.
 * @throws Refusal not-allowed, digest-mismatch, identity-mismatch, registry-not-served, name-too-long
 */
export function place(
  claim: Claim,
  wanted: Wanted,
  principal: Principal,
  registries: readonly Registry[] | undefined,
): Location & { kind: 'repository' } {
  const { repository: explicit } = wanted
  const usual = repositoryOf(claim.reference, registries)
  const name = explicit ?? usual
  if (name instanceof Refusal) throw name
  requirePush(principal, name)
  if (wanted.digest && wanted.digest !== claim.digest)
    throw new Refusal(
      'digest-mismatch',
      `The claim is about ${claim.digest}, and was put under ${wanted.digest}`,
    )
  if (name !== usual && !may(principal, 'relocate', name)) {
    if (usual instanceof Refusal) throw usual
    throw new Refusal(
      'identity-mismatch',
      `The claim names ${formatReference(claim.reference)}, which belongs under ${usual}; ` +
        `putting it under ${name} takes the right relocate:${name}`,
    )
  }
  const location = { kind: 'repository', name, digest: claim.digest } as const
  requireStorable(location)
  return location
}

/** @throws Refusal not-allowed */
export function requirePush(principal: Principal, repository: Repository): void {
  if (!may(principal, 'push', repository))
    throw new Refusal('not-allowed', `${principal.name} has no right push:${repository}`)
}

/**
 * What lies below the prefix of a mirror is of its source alone: nothing else is put there, whoever asks.
 * @throws Refusal not-allowed
 */
export function requireNotMirrored(
  repository: Repository,
  source: string | undefined,
  mirrors: readonly MirroredPrefix[],
): void {
  const owner = mirrors.find(({ prefix }) => repository === prefix || repository.startsWith(`${prefix}/`))
  if (!owner || owner.source === source) return
  throw new Refusal(
    'not-allowed',
    `What is below ${owner.prefix} here is a copy of another place, and nothing else is put there`,
  )
}

/** Where the signatures of an image are looked up: the prefix of its registry and its path; or why they are not here. */
export function repositoryOf(
  reference: ImageReference,
  registries: readonly Registry[] | undefined,
): Repository | Refusal {
  if (!registries) return reference.path
  const registry = registries.find(({ host }) => host === reference.host)
  if (!registry) {
    const hosts = registries.map(({ host }) => host).join(', ')
    return new Refusal(
      'registry-not-served',
      `Signatures are kept here for ${hosts || 'no registry'}, and not for ${formatReference(reference)}`,
    )
  }
  const name = registry.prefix ? `${registry.prefix}/${reference.path}` : reference.path
  if (!isRepository(name))
    return new Refusal('name-too-long', `${name} is longer than the 255 characters that clients allow`)
  const owner = ownerOf(name, registries)
  if (owner && owner.prefix !== registry.prefix)
    return new Refusal(
      'identity-mismatch',
      `What is below ${owner.prefix} here is of ${owner.host} alone, and not of ${formatReference(reference)}`,
    )
  return name
}

/** How images are named that have their signatures at a repository: by each registry whose space that is in. */
export function imagesAt(
  home: Repository,
  registries: readonly Registry[],
): Pick<ImageReference, 'host' | 'path'>[] {
  const prefix = ownerOf(home, registries)?.prefix ?? ''
  const path = prefix ? home.slice(prefix.length + 1) : home
  if (!isRepository(path)) return []
  return registries
    .filter((registry) => (registry.prefix ?? '') === prefix)
    .map(({ host }) => ({ host, path }))
}

/** Whose prefix a repository lies below: the path of an image must not lead into the space of another registry. */
function ownerOf(name: Repository, registries: readonly Registry[]): Registry | undefined {
  const length = ({ prefix = '' }: Registry) => prefix.length
  return registries
    .filter(({ prefix }) => prefix && (name === prefix || name.startsWith(`${prefix}/`)))
    .toSorted((a, b) => length(b) - length(a))[0]
}
