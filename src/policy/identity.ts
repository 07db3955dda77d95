import { formatReference, type ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { isClientReference, isNameOnly, nameOf, parseClientReference } from './client-reference.ts'
import type { SignedIdentity } from './signed-identity.ts'

/**
 * Whether a claim of `signed` counts for `image`, as it is asked for, by this rule: `matchesDockerReference` of c/image's
 * signature/policy_reference_match.go. References are compared with every default written out; no tag is added to
 * either. The digest of the manifest is another question, and not answered here: where the image is asked for by
 * digest, a claim of any tag of its repository can count.
 */
export function satisfies(rule: SignedIdentity, image: ImageReference, signed: ImageReference): boolean {
  // Of the claim it needs no asking: it is compared with names that clients can read, of the image or the rule.
  if (!isClientReference(image)) return false
  switch (rule.type) {
    case 'matchExact':
      return isExactly(image, signed)
    case 'matchRepoDigestOrExact':
      return isRepoDigestOrExactly(image, signed)
    case 'matchRepository':
      return nameOf(image) === nameOf(signed)
    case 'exactReference':
      return isExactly(rule.reference, signed)
    case 'exactRepository':
      return rule.name === nameOf(signed)
    case 'remapIdentity': {
      const remapped = remap(image, rule)
      return remapped !== undefined && isRepoDigestOrExactly(remapped, signed)
    }
  }
}

function isExactly(image: ImageReference, signed: ImageReference): boolean {
  return !isNameOnly(image) && formatReference(image) === formatReference(signed)
}

/** Of an image with tag and digest, both must be in the claim. */
function isRepoDigestOrExactly(image: ImageReference, signed: ImageReference): boolean {
  if (isNameOnly(signed)) return false
  if (image.tag !== undefined) return isExactly(image, signed)
  return image.digest !== undefined && nameOf(image) === nameOf(signed)
}

/**
 * The image under the name it was signed by, or itself where it is not below the prefix. Undefined where that name is
 * none that is written out in full: `docker.io/busybox` is not, being `docker.io/library/busybox`.
 */
function remap(
  image: ImageReference,
  { prefix, signedPrefix }: { prefix: string; signedPrefix: string },
): ImageReference | undefined {
  if (!`${nameOf(image)}/`.startsWith(`${prefix}/`)) return image
  const text = signedPrefix + formatReference(image).slice(prefix.length)
  try {
    const remapped = parseClientReference(text)
    return formatReference(remapped) === text ? remapped : undefined
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
