import type { VerdictName } from '../openpgp/verdict.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import type { UnverifiedSigner } from '../signature/signature.ts'
import type { Candidate, Outcome, Trial, TrialReason, Verdict } from './evaluate.ts'
import { type GateEvaluation, isKeyed, type KeyedRequirement, type Threshold } from './gate.ts'
import type { Requirement } from './requirement.ts'

/** Whether an image passes, requirement by requirement, as a JSON document: for programs, and to be told to people. */
export interface Report {
  /** As clients name it. */
  image: string
  digest: string
  /** The place in the policy that asks something of the image. */
  scope: string
  passed: boolean
  /** How many signatures were looked at. */
  signatures: number
  requirements: RequirementReport[]
}

/** What came of one requirement of a policy, or one threshold of a gate. */
export interface RequirementReport {
  type: Requirement['type'] | Threshold['type']
  place: string
  met: boolean
  /** Why it is not met. */
  reason?: NonNullable<Outcome<Candidate, Verdict>['unmet']>
  /** Of a threshold: how many keys it asks for. */
  atLeast?: number
  /** The signatures that count. None, and met: anything is accepted. */
  by: SignatureReport[]
  /** Where it is not met: the keys of which a signature would help. */
  wanted?: KeyName[]
  /** What was looked at and does not count. */
  tried: TrialReport[]
}

/** A primary key; upper-case hex. */
export interface KeyName {
  fingerprint: string
  userId: string | null
}

/** For people: the user id with the fingerprint behind it, or the fingerprint alone. */
export function formatKeyName({ fingerprint, userId }: KeyName): string {
  return userId === null ? fingerprint : `${userId} (${fingerprint})`
}

/** A signature that counts, by where it was found, and whose it is. Fingerprints are upper-case hex. */
export interface SignatureReport {
  slot: number
  fingerprint: string | null
  primaryFingerprint: string | null
  userId: string | null
  /** RFC 3339. */
  created: string
}

/** A signature that was looked at and does not count. */
export interface TrialReport extends Omit<SignatureReport, 'created'> {
  /** RFC 3339; null where the keys were not asked. */
  created: string | null
  /** Every one of them is why it does not count. */
  reasons: TrialReason[]
  /** The key that it names, fingerprint or id: anybody can write such a thing. Null: it names none. */
  unverifiedKey: string | null
  /** Null where the keys were not asked. */
  verdict: VerdictName | null
  /** What its claim says. */
  claim: { reference: string; digest: string }
}

/** What a report needs to know of a signature. */
export interface ReportedCandidate extends Candidate {
  slot: number
  signer: Pick<UnverifiedSigner, 'unverifiedFingerprint' | 'unverifiedKeyId'> | null
}

export async function reportOf<C extends ReportedCandidate, V extends Verdict>(
  {
    image,
    digest,
    scope,
    signatures,
  }: { image: ImageReference; digest: string; scope: string; signatures: number },
  { passed, outcomes }: GateEvaluation<C, V>,
  keysOf: (requirement: KeyedRequirement) => Promise<KeyName[]>,
): Promise<Report> {
  const requirements: RequirementReport[] = []
  for (const outcome of outcomes) requirements.push(await requirementReport(outcome, keysOf))
  return { image: formatReference(image), digest, scope, passed, signatures, requirements }
}

async function requirementReport<C extends ReportedCandidate, V extends Verdict>(
  { requirement, unmet, by, tried }: Outcome<C, V, Requirement | Threshold>,
  keysOf: (requirement: KeyedRequirement) => Promise<KeyName[]>,
): Promise<RequirementReport> {
  const { type, place } = requirement
  const counted = new Set(by.map(({ verdict }) => verdict.primaryFingerprint))
  return {
    type,
    place,
    met: unmet === null,
    ...(unmet !== null && { reason: unmet }),
    ...(type === 'threshold' && { atLeast: requirement.atLeast }),
    by: by.map(({ candidate, verdict }) => signatureReport(candidate, verdict)),
    ...(unmet !== null &&
      isKeyed(requirement) && {
        wanted: (await keysOf(requirement)).filter(({ fingerprint }) => !counted.has(fingerprint)),
      }),
    tried: tried.map(trialReport),
  }
}

function signatureReport({ slot }: { slot: number }, verdict: Verdict): SignatureReport {
  const { fingerprint, primaryFingerprint, userId, created } = verdict
  return { slot, fingerprint, primaryFingerprint, userId, created: new Date(created * 1000).toISOString() }
}

function trialReport<C extends ReportedCandidate, V extends Verdict>({
  candidate,
  verdict,
  reasons,
}: Trial<C, V>): TrialReport {
  const { claim, signer } = candidate
  return {
    ...(verdict
      ? signatureReport(candidate, verdict)
      : { slot: candidate.slot, fingerprint: null, primaryFingerprint: null, userId: null, created: null }),
    reasons,
    unverifiedKey: signer && (signer.unverifiedFingerprint ?? signer.unverifiedKeyId),
    verdict: verdict?.status ?? null,
    claim: { reference: claim.dockerReference, digest: claim.digest },
  }
}
