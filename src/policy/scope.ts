import type { ImageReference } from '../reference/reference.ts'
import { nameOf } from './client-reference.ts'
import { dockerTransport } from './docker-scope.ts'
import { type Place, within } from './document.ts'
import type { Policy } from './policy.ts'
import type { Requirement } from './requirement.ts'

/** What the policy asks of an image, and the place that does so: `transports.docker["quay.io/team"]`, or `default`. */
export function requirementsFor(
  policy: Policy,
  image: ImageReference,
): { scope: Place; requirements: Requirement[] } {
  const scopes = policy.transports.get(dockerTransport)
  for (const scope of [...scopesOf(image), '']) {
    const requirements = scopes?.get(scope)
    if (requirements === undefined) continue
    return { scope: within(within('transports', dockerTransport), scope), requirements }
  }
  return { scope: 'default', requirements: policy.default }
}

/**
 * The scopes an image is in, the one that counts first: the image, its repository, each namespace above, the host with
 * its port, then `*.` and what remains of the host, without its port, behind each of its dots (c/image's
 * docker/policyconfiguration/naming.go). An image named by tag and digest is sought by its digest: skopeo refuses it,
 * podman and CRI-O leave the tag away. One named by neither is sought by its repository.
 */
export function scopesOf(image: ImageReference): string[] {
  return [...fullName(image), ...namespaces(nameOf(image)), ...wildcards(image.host)]
}

function fullName(image: ImageReference): string[] {
  const { tag, digest } = image
  if (digest !== undefined) return [`${nameOf(image)}@${digest}`]
  return tag === undefined ? [] : [`${nameOf(image)}:${tag}`]
}

function namespaces(name: string): string[] {
  const parts = name.split('/')
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
}

function wildcards(host: string): string[] {
  const [name = ''] = host.split(':')
  const labels = name.split('.').slice(1)
  return labels.map((_, index) => `*.${labels.slice(index).join('.')}`)
}
