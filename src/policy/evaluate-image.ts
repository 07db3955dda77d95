import type { CheckFunction } from '../openpgp/verdict.ts'
import { type Digest, parseDigest } from '../reference/digest.ts'
import { type ImageReference, identityOf, parseReference } from '../reference/reference.ts'
import type { Signature } from '../signature/signature.ts'
import { unixMilliseconds } from '../signature/verify.ts'
import type { Candidate } from './evaluate.ts'
import { evaluateGate, type Threshold } from './gate.ts'
import type { Policy } from './policy.ts'
import { type Report, reportOf } from './report.ts'
import { requirementsFor } from './scope.ts'
import { type ReadKeys, type Trust, trustIn } from './trust.ts'

/** A signature found with an image. `readSignature` gives all of it but the slot. */
export interface SlottedSignature extends Candidate, Pick<Signature, 'message' | 'signer'> {
  /** Where it was found; by default its position in the list, from 1. */
  slot?: number
  /** May know results from before. */
  check?: CheckFunction
}

/** What is asked about: an image, and its signatures. */
export interface ImageQuestion {
  /** As somebody asks for it. Of tag and digest together the tag counts, as clients refuse both at once. */
  image: ImageReference | string
  /** Of the manifest, as `manifestDigest` gives it. */
  digest: Digest | string
  /** Those that clients find with the image, in the order of their slots. */
  signatures: readonly SlottedSignature[]
  /** Seconds: older signatures do not count, which clients know nothing of. By default any age will do. */
  maxAge?: number | null
  /** A `Date`, or Unix milliseconds. Keys and signatures are judged as of then; by default as of now. */
  now?: Date | number
}

/**
 * Whether an image passes what a policy, and the thresholds of a gate, ask of it: requirement by requirement.
 * @throws Refusal policy, keyring: where a requirement names keys that cannot be used
 * @throws Refusal bad-reference, bad-digest; digest-mismatch: where the image is asked for by another digest
 * @throws RangeError where `now` is no moment
 */
export async function evaluateImage(trust: Trust, question: ImageQuestion): Promise<Report> {
  const { signatures, maxAge = null } = question
  const now = unixMilliseconds(question.now ?? Date.now())
  const digest = parseDigest(question.digest)
  const image = asClientsName(question.image, digest)
  const { scope, requirements } = requirementsFor(trust.policy, image)
  const candidates = signatures.map((signature, index) => ({
    ...signature,
    slot: signature.slot ?? index + 1,
  }))
  const evaluation = await evaluateGate(
    requirements,
    { thresholds: trust.thresholds, maxAge },
    { image, digest },
    candidates,
    (candidate, requirement) => trust.verify(candidate, requirement, now, candidate.check),
    Math.floor(now / 1000),
  )
  return reportOf({ image, digest, scope, signatures: signatures.length }, evaluation, (requirement) =>
    trust.keysOf(requirement, now),
  )
}

/** One that is asked for by another digest stays so, and is refused. */
function asClientsName(asked: ImageReference | string, digest: Digest): ImageReference {
  const image = typeof asked === 'string' ? parseReference(asked) : asked
  return (image.digest ?? digest) === digest ? identityOf(image, digest) : image
}

/** What is asked about, and by which policy. */
export interface PolicyQuestion extends ImageQuestion {
  policy: Policy
  /** Asked for each path that a requirement of the image names, unless the policy has its keys in itself (`keyData`). */
  readKeys?: ReadKeys
  /** What is asked beside the policy: signatures by so many of some keys, which clients know nothing of. */
  thresholds?: readonly Threshold[]
}

/** See `evaluatePolicy`. */
export interface PolicyReport extends Report {
  /** Sentences for the administrator, of the policy and its keyrings; they may quote hostile input. */
  warnings: string[]
}

/**
 * Whether podman, skopeo and CRI-O would take an image by a policy.json: requirement by requirement, with the signatures
 * that count, why others do not, and the keys of which one is missing. Keyrings are read each time; to ask about many
 * images, make a trust once with `trustIn`, and ask `evaluateImage`.
 * @throws Refusal policy, keyring: where a requirement names keys that cannot be used
 * @throws Refusal bad-reference, bad-digest; digest-mismatch: where the image is asked for by another digest
 * @throws RangeError where `now` is no moment
 */
export async function evaluatePolicy(question: PolicyQuestion): Promise<PolicyReport> {
  const { policy, readKeys = noKeys, thresholds, ...asked } = question
  const trust = trustIn(policy, readKeys, thresholds)
  return { ...(await evaluateImage(trust, asked)), warnings: trust.warnings }
}

function noKeys(): never {
  throw new Error('no readKeys was given')
}
