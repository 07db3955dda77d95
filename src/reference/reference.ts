import { Refusal } from '../refusal.ts'
import { type Digest, isDigest } from './digest.ts'
import { isRepository, type Repository, whyNotARepository } from './repository.ts'

/** A docker reference with every default written out. */
export interface ImageReference {
  /** Registry host with its port, as written: `docker.io`, `quay.io`, `localhost:5000`, `[::1]:5000`. */
  host: string
  path: Repository
  tag?: string
  digest?: Digest
}

/** Above what DNS (253), a repository (255), a tag (128) and a digest (135) can hold together. */
const maxReferenceLength = 1024

const hostPattern =
  /^(?:[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*(?:\.[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

/**
 * Reads and normalises as `ParseNormalizedNamed` of github.com/distribution/reference: `busybox` is
 * `docker.io/library/busybox`. No default tag is added. Stricter in two points: where that function gives up on the
 * host (`a_b.c/app`) and returns a name without one, this refuses; and the text has a limit. podman and skopeo carry
 * an older copy of that function, which reads less; `readClaim` warns of what it does not take.
 * @throws Refusal bad-reference
 */
export function parseReference(text: string): ImageReference {
  if (text.length > maxReferenceLength) {
    throw new Refusal('bad-reference', `An image reference of ${text.length} characters is too long.`)
  }
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw new Refusal('bad-reference', `"${text}" is an image id, not the name of an image.`)
  }
  const { host, rest } = splitHost(text)
  const { path, tag, digest } = splitRest(rest)
  if (!hostPattern.test(host)) refuse(text, `"${host}" is not a registry host`)
  if (!isRepository(path)) throw new Refusal('bad-reference', whyNotARepository(path))
  if (tag !== undefined && !isTag(tag)) refuse(text, `"${tag}" is not a tag`)
  if (digest !== undefined && !isDigest(digest)) refuse(text, `"${digest}" is not a digest`)
  return { host, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

/** The full form, `docker.io/library/busybox:1`; reading it again gives the same reference. */
export function formatReference(reference: ImageReference): string {
  const { host, path, tag, digest } = reference
  return `${host}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** Whether a registry can have a tag of that name. */
export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/** What clients know the image by: its tag if it has one, else its digest. They refuse both at once. */
export function identityOf({ host, path, tag }: ImageReference, digest: Digest): ImageReference {
  return tag === undefined ? { host, path, digest } : { host, path, tag }
}

function refuse(text: string, reason: string): never {
  throw new Refusal('bad-reference', `${reason}, in the image reference "${text}".`)
}

/** `splitDockerDomain` of distribution/reference. */
function splitHost(text: string): { host: string; rest: string } {
  const slash = text.indexOf('/')
  const first = text.slice(0, Math.max(slash, 0))
  if (slash < 0 || !isHostLike(first)) return onDockerHub(text)
  const rest = text.slice(slash + 1)
  return first === 'docker.io' || first === 'index.docker.io' ? onDockerHub(rest) : { host: first, rest }
}

/** Whether the first component is a host rather than a Docker Hub account. */
function isHostLike(component: string): boolean {
  return component === 'localhost' || /[.:A-Z]/.test(component)
}

function onDockerHub(rest: string): { host: string; rest: string } {
  return { host: 'docker.io', rest: rest.includes('/') ? rest : `library/${rest}` }
}

function splitRest(rest: string): { path: string; tag?: string; digest?: string } {
  const at = rest.indexOf('@')
  const named = at < 0 ? rest : rest.slice(0, at)
  const colon = named.indexOf(':')
  return {
    path: colon < 0 ? named : named.slice(0, colon),
    ...(colon >= 0 && { tag: named.slice(colon + 1) }),
    ...(at >= 0 && { digest: rest.slice(at + 1) }),
  }
}
