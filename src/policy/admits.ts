import type { Claim } from '../claim/claim.ts'
import type { ImageReference } from '../reference/reference.ts'
import {
  type Candidate,
  isSupported,
  requireSome,
  type Trial,
  tryOne,
  type Verdict,
  type Verify,
} from './evaluate.ts'
import type { Requirement, SignedBy } from './requirement.ts'

/**
 * Whether a signature may be stored:
 *
 * - `closed`: the scope rejects every image, and so has no use for signatures, whatever else it asks for.
 * - `none-accepts`: no requirement of the scope would accept it; `tried` has those that are about such signatures.
 */
export type Admission<C extends Candidate, V extends Verdict> =
  | { admitted: true; requirement: Requirement; verdict: V | null }
  | { admitted: false; reason: 'closed' | 'none-accepts'; tried: (Trial<C, V> & { requirement: SignedBy })[] }

/**
 * Whether some requirement would accept this one signature for an image of this name with the manifest of its claim.
 * Where anything is accepted, anything is admitted; requirements that cannot be verified here admit nothing.
 */
export async function admits<C extends Candidate, V extends Verdict>(
  requirements: Requirement[],
  image: ImageReference,
  candidate: C,
  verify: Verify<C, V>,
): Promise<Admission<C, V>> {
  requireSome(requirements)
  if (requirements.some(({ type }) => type === 'reject')) {
    return { admitted: false, reason: 'closed', tried: [] }
  }
  const open = requirements.find(({ type }) => type === 'insecureAcceptAnything')
  if (open !== undefined) return { admitted: true, requirement: open, verdict: null }
  const tried: (Trial<C, V> & { requirement: SignedBy })[] = []
  for (const requirement of requirements) {
    if (requirement.type !== 'signedBy' || !isSupported(requirement)) continue
    const trial = await tryOne(requirement, { image, digest: candidate.claim.digest }, candidate, verify)
    if (trial.reasons.length === 0) return { admitted: true, requirement, verdict: trial.verdict }
    tried.push({ ...trial, requirement })
  }
  return { admitted: false, reason: 'none-accepts', tried }
}

/**
 * How clients can ask for what a claim vouches for, once it is kept for this repository: by its digest, and by the tag
 * of the claim. Each name can be in another scope, and a signature is of use if one of them admits it.
 */
export function namesFor(
  { digest, reference: { tag } }: Claim,
  { host, path }: Pick<ImageReference, 'host' | 'path'>,
): ImageReference[] {
  const byDigest = { host, path, digest }
  return tag === undefined ? [byDigest] : [{ host, path, tag }, byDigest]
}
