import { may, type Principal } from '../access/principal.ts'
import type { Claim } from '../claim/claim.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference } from '../reference/reference.ts'
import { isRepository, type Repository } from '../reference/repository.ts'
import { type Location, requireStorable } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'

/** A registry host whose signatures live here, under its prefix (none: at the top). */
export interface Registry {
  host: string
  prefix?: string
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
  const usual = defaultPlace(claim, registries)
  const name = explicit ?? usual
  if (name === null) throw notServed(claim, registries ?? [])
  requirePush(principal, name)
  if (wanted.digest && wanted.digest !== claim.digest)
    throw new Refusal(
      'digest-mismatch',
      `The claim is about ${claim.digest}, and was put under ${wanted.digest}`,
    )
  if (name !== usual && !may(principal, 'relocate', name)) {
    if (usual === null) throw notServed(claim, registries ?? [])
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

/** Null where the registry of the claim is not served here. */
function defaultPlace({ reference }: Claim, registries: readonly Registry[] | undefined): Repository | null {
  if (!registries) return reference.path
  const registry = registries.find(({ host }) => host === reference.host)
  if (!registry) return null
  if (!registry.prefix) return reference.path
  const name = `${registry.prefix}/${reference.path}`
  if (!isRepository(name))
    throw new Refusal('name-too-long', `${name} is longer than the 255 characters that clients allow`)
  return name
}

function notServed(claim: Claim, registries: readonly Registry[]): Refusal {
  const hosts = registries.map(({ host }) => host).join(', ')
  return new Refusal(
    'registry-not-served',
    `The claim names ${formatReference(claim.reference)}; signatures are kept here for ${hosts || 'no registry'}`,
  )
}
