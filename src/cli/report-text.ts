import type { TrialReason } from '../policy/evaluate.ts'
import { formatKeyName, type KeyName, type RequirementReport, type TrialReport } from '../policy/report.ts'
import type { Judgement } from './judge.ts'

/** What came of one manifest, a line each, for people: what is met and by whom, what is not, and who could help. */
export function reportLines({ requirements, unreadable }: Judgement): string[] {
  return [
    ...requirements.flatMap((requirement) => [
      `${requirement.met ? 'met    ' : 'not met'}  ${requirement.place}: ${inWords(requirement)}`,
      ...(requirement.met ? [] : requirement.tried.map(triedLine)),
    ]),
    ...unreadable.map(({ slot, detail, failsClients }) => {
      const what = failsClients ? 'is none, and clients fail at it' : 'does not count'
      return `${failsClients ? 'not met' : 'unread '}  signature-${slot} ${what}: ${detail}`
    }),
  ]
}

function inWords(requirement: RequirementReport): string {
  const { type, met, reason, atLeast, by, wanted = [] } = requirement
  const signatures = by.map(
    ({ slot, created, ...key }) => `signature-${slot}, ${signer(key)}, signed ${date(created)}`,
  )
  if (met) return signatures.length ? signatures.join('; ') : 'anything is accepted'
  const help = wanted.length ? `; wanted: ${wantedKeys(wanted)}` : ''
  switch (reason) {
    case 'rejected':
      return 'the policy rejects the image'
    case 'not-supported':
      return `${type} is not supported here: nothing is known of it`
    case 'no-signature':
      return `there is no signature${help}`
    case 'too-few-keys':
      return `${by.length} of ${atLeast} keys: ${signatures.join('; ')}${help}`
    default:
      return `no signature counts${help}`
  }
}

/** Of hundreds of keys a person reads the first ones. */
const maxKeysNamed = 5

function wantedKeys(wanted: KeyName[]): string {
  const named = wanted.slice(0, maxKeysNamed).map(formatKeyName)
  const more = wanted.length - named.length
  return more > 0 ? `${named.join(', ')}, or ${more} more` : named.join(' or ')
}

function triedLine(trial: TrialReport): string {
  const words: Record<TrialReason, string> = {
    format: 'it is in the sigstore form',
    verdict: ofVerdict(trial),
    digest: `its claim is about ${trial.claim.digest}`,
    identity: `its claim names ${trial.claim.reference}`,
    age: `it is too old, signed ${date(trial.created)}`,
  }
  return `           signature-${trial.slot}: ${trial.reasons.map((reason) => words[reason]).join('; ')}`
}

function ofVerdict(trial: TrialReport): string {
  const who = signer(trial)
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

function signer({
  primaryFingerprint,
  userId,
}: {
  primaryFingerprint: string | null
  userId: string | null
}) {
  return primaryFingerprint === null ? 'nobody' : formatKeyName({ fingerprint: primaryFingerprint, userId })
}

function date(rfc3339: string | null): string {
  return (rfc3339 ?? 'at no known time').replace('.000Z', 'Z')
}
