import type { Claim } from '../claim/claim.ts'
import type { VerdictName } from '../openpgp/verdict.ts'
import type { Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import type { SignatureFormat } from '../signature/signature.ts'
import { satisfies } from './identity.ts'
import type { Requirement, SignedBy } from './requirement.ts'

export interface Question {
  /** As clients name it: by tag or by digest. */
  image: ImageReference
  /** Of the manifest they get by that name. */
  digest: Digest
  /** Seconds since 1970: signatures made before do not count. Clients know no such bound; gates do. */
  madeSince?: number
}

/** A signature found with the image. `readSignature` gives one; a caller may add where it found it. */
export interface Candidate {
  format: SignatureFormat
  claim: Claim
}

/** What the keys of one requirement say of a signature. A caller may add to it. */
export interface Verdict {
  status: VerdictName
  /** Upper-case hex, of the key or subkey that signed; null where it is not known. */
  fingerprint: string | null
  primaryFingerprint: string | null
  userId: string | null
  /** Seconds since 1970, as the signature says: so it is, where a key vouches for it. */
  created: number
}

/**
 * Verifies a signature by the keys of one requirement and no others, whose `keyType` is GPGKeys. It is asked of
 * signatures in the simple-signing format, one after the other, as often as requirements want to know.
 */
export type Verify<C extends Candidate, V extends Verdict, R = SignedBy> = (
  candidate: C,
  requirement: R,
) => V | Promise<V>

/** A signature that was tried, and every reason why it does not count; with none, it does. */
export interface Trial<C extends Candidate, V extends Verdict> {
  candidate: C
  /** Null where the keys were not asked. */
  verdict: V | null
  reasons: TrialReason[]
}

/**
 * - `format`: not in the form that these requirements are about.
 * - `verdict`: the keys do not vouch for it; see the verdict.
 * - `digest`: its claim is of another manifest, or names this one by another algorithm.
 * - `identity`: its claim has a reference that `signedIdentity` does not accept for the image.
 * - `age`: it was made before `madeSince`.
 */
export type TrialReason = 'format' | 'verdict' | 'digest' | 'identity' | 'age'

/** A signature that counts. */
export interface Proof<C extends Candidate, V extends Verdict> {
  candidate: C
  verdict: V
}

/**
 * What came of one requirement. Met by no signature: anything is accepted. Not met:
 *
 * - `rejected`: the policy accepts no such image.
 * - `not-supported`: signatures of this kind cannot be verified here, so nothing is known; clients that can may accept.
 * - `no-signature`: there is none with the image.
 * - `none-accepted`: none of those that are there counts; see `tried`.
 * - `too-few-keys`: some count, and not by as many keys as a gate asks for; see `by`.
 */
export interface Outcome<C extends Candidate, V extends Verdict, R = Requirement> {
  requirement: R
  /** Null where it is met. */
  unmet: 'rejected' | 'not-supported' | 'no-signature' | 'none-accepted' | 'too-few-keys' | null
  by: Proof<C, V>[]
  /** What was looked at and does not count. */
  tried: Trial<C, V>[]
}

export interface Evaluation<C extends Candidate, V extends Verdict> {
  passed: boolean
  /** In the order of the requirements. */
  outcomes: Outcome<C, V>[]
}

/**
 * Whether clients would take the image, as `IsRunningImageAllowed` of c/image (signature/policy_eval.go): every
 * requirement must be met, a signedBy by any one signature, and one signature can meet several. Unlike c/image this
 * goes on after a requirement that is not met, so that the answer names everything that is missing.
 */
export async function evaluate<C extends Candidate, V extends Verdict>(
  requirements: Requirement[],
  question: Question,
  candidates: C[],
  verify: Verify<C, V>,
): Promise<Evaluation<C, V>> {
  requireSome(requirements)
  requireOneDigest(question)
  const outcomes: Outcome<C, V>[] = []
  for (const requirement of requirements) {
    outcomes.push(await outcomeOf(requirement, question, candidates, verify))
  }
  return { passed: outcomes.every(({ unmet }) => unmet === null), outcomes }
}

/** An empty list would let every image pass. */
export function requireSome(requirements: Requirement[]): void {
  if (requirements.length > 0) return
  throw new Refusal('policy', 'A list of requirements is empty; clients accept no image by it.')
}

/** Clients refuse a manifest that has not the digest it was asked for by; two algorithms cannot be compared here. */
function requireOneDigest({ image, digest }: Question): void {
  if (image.digest === undefined || image.digest === digest) return
  throw new Refusal(
    'digest-mismatch',
    `The image is asked for as ${image.digest}, and its manifest is ${digest}.`,
  )
}

async function outcomeOf<C extends Candidate, V extends Verdict>(
  requirement: Requirement,
  question: Question,
  candidates: C[],
  verify: Verify<C, V>,
): Promise<Outcome<C, V>> {
  switch (requirement.type) {
    case 'insecureAcceptAnything':
      return { requirement, unmet: null, by: [], tried: [] }
    case 'reject':
      return { requirement, unmet: 'rejected', by: [], tried: [] }
    case 'signedBaseLayer':
    case 'sigstoreSigned':
      return { requirement, unmet: 'not-supported', by: [], tried: [] }
    case 'signedBy':
      if (!isSupported(requirement)) return { requirement, unmet: 'not-supported', by: [], tried: [] }
      return outcomeOfSignedBy(requirement, question, candidates, verify)
  }
}

/** c/image reads other types of keys and rejects every signature by them (signature/policy_eval_signedby.go). */
export function isSupported({ keyType }: SignedBy): boolean {
  return keyType === 'GPGKeys'
}

async function outcomeOfSignedBy<C extends Candidate, V extends Verdict>(
  requirement: SignedBy,
  question: Question,
  candidates: C[],
  verify: Verify<C, V>,
): Promise<Outcome<C, V>> {
  const tried: Trial<C, V>[] = []
  for (const candidate of candidates) {
    const trial = await tryOne(requirement, question, candidate, verify)
    const { verdict, reasons } = trial
    if (verdict !== null && reasons.length === 0) {
      return { requirement, unmet: null, by: [{ candidate, verdict }], tried }
    }
    tried.push(trial)
  }
  return { requirement, unmet: tried.length === 0 ? 'no-signature' : 'none-accepted', by: [], tried }
}

/** The checks of `verifyAndExtractSignature` in c/image's signature/simple.go, all of them; and the age. */
export async function tryOne<
  C extends Candidate,
  V extends Verdict,
  R extends Pick<SignedBy, 'signedIdentity'>,
>(
  requirement: R,
  { image, digest, madeSince }: Question,
  candidate: C,
  verify: Verify<C, V, R>,
): Promise<Trial<C, V>> {
  if (candidate.format !== 'simple-signing') return { candidate, verdict: null, reasons: ['format'] }
  const verdict = await verify(candidate, requirement)
  const reasons: TrialReason[] = []
  if (verdict.status !== 'valid') reasons.push('verdict')
  if (candidate.claim.digest !== digest) reasons.push('digest')
  if (!satisfies(requirement.signedIdentity, image, candidate.claim.reference)) reasons.push('identity')
  if (madeSince !== undefined && verdict.created < madeSince) reasons.push('age')
  return { candidate, verdict, reasons }
}
