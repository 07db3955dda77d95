import type { TrialReason } from './evaluate.ts'
import { formatKeyName, type RequirementReport, type TrialReport } from './report.ts'

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
