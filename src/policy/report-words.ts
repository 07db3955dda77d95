import { formatReference } from '../reference/reference.ts'
import type { Demand } from './demands.ts'
import type { TrialReason } from './evaluate.ts'
import { formatKeyName, type RequirementReport, type TrialReport } from './report.ts'
import type { SignedIdentity } from './signed-identity.ts'

/** Why a requirement is not met. */
export function reasonInWords({ type, reason, by, atLeast }: RequirementReport): string {
  switch (reason) {
    case 'rejected':
      return 'the policy rejects the image'
    case 'not-supported':
      return `${type} is not supported here: nothing is known of it`
    case 'no-signature':
      return 'there is no signature'
    case 'too-few-keys':
      return `${by.length} of ${atLeast} keys`
    default:
      return 'no signature counts'
  }
}

/** Which signature does not count, and why. */
export function trialInWords(trial: TrialReport): string {
  const words: Record<TrialReason, string> = {
    format: 'it is in the sigstore form',
    verdict: ofVerdict(trial),
    digest: `its claim is about ${trial.claim.digest}`,
    identity: `its claim names ${trial.claim.reference}`,
    age: `it is too old, signed ${inUtc(trial.created)}`,
  }
  return `signature-${trial.slot}: ${trial.reasons.map((reason) => words[reason]).join('; ')}`
}

function ofVerdict(trial: TrialReport): string {
  const who = signerInWords(trial)
  switch (trial.verdict) {
    case null:
      return 'it was not verified'
    case 'valid':
      return `it is by ${who}`
    case 'unknown-key':
      return `it is by none of these keys${trial.unverifiedKey === null ? '' : `, and names ${trial.unverifiedKey}`}`
    case 'bad':
      return `it is not what ${who} signed`
    case 'expired':
      return `it is by ${who} and has expired`
    case 'key-expired':
      return `the key of ${who} has expired`
    case 'revoked':
      return `the key of ${who} is revoked`
    case 'not-signing-key':
      return `the key of ${who} is not one for signatures`
    case 'weak':
      return `it is by ${who}, with an algorithm too weak to count`
    case 'unsupported':
      return `it uses what is not verified here (${who})`
  }
}

/** The user id with the fingerprint behind it. */
export function signerInWords({
  primaryFingerprint,
  userId,
}: {
  primaryFingerprint: string | null
  userId: string | null
}) {
  return primaryFingerprint === null ? 'nobody' : formatKeyName({ fingerprint: primaryFingerprint, userId })
}

/** A time of a report. */
export function inUtc(rfc3339: string | null): string {
  return (rfc3339 ?? 'at no known time').replace('.000Z', 'Z')
}

/** What a requirement asks; the keys follow, where it names some. */
export function demandInWords({ type, signatures }: Demand): string {
  if (type === 'insecureAcceptAnything') return 'Anything is accepted.'
  if (type === 'reject') return 'Every image is rejected.'
  if (!signatures) return `${type}, which is not supported here: no image passes.`
  const { atLeast, keys, otherKeys } = signatures
  const count = keys.length + otherKeys
  const wanted = atLeast === 1 ? 'A signature' : `Signatures by ${atLeast} keys`
  if (count < atLeast)
    return `${wanted}, and ${count || 'none'} of those named can sign now: no image passes.`
  if (count === 1) return 'A signature by'
  return atLeast === 1 ? 'A signature by one of' : `Signatures by ${atLeast} of`
}

/** Which names claims may have, where it is not what one would expect: the name that is asked for. */
export function identityInWords(identity: SignedIdentity): string | null {
  switch (identity.type) {
    case 'matchRepoDigestOrExact':
      return null
    case 'matchExact':
      return 'The claim must name exactly what is asked for.'
    case 'matchRepository':
      return 'The claim may name any tag of the repository.'
    case 'exactReference':
      return `The claim must name ${formatReference(identity.reference)}, whatever is asked for.`
    case 'exactRepository':
      return `The claim must name some tag of ${identity.name}, whatever is asked for.`
    case 'remapIdentity':
      return `Below ${identity.prefix} the claim must have ${identity.signedPrefix} in place of that.`
  }
}
