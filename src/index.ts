/**
 * What the package exports: reading, making and judging signatures of container images, without a server. Nothing here
 * reads or writes files, opens connections, prints, or keeps state: octets and the time come in, answers go out. What
 * others wrote is refused with a `Refusal`, whose `code` is stable; anything else that is thrown is a fault.
 *
 * Times in what is read are in seconds since 1970, as signatures and claims have them. A moment that is given, `now`, is
 * a `Date` or Unix milliseconds.
 */

export { Refusal, type RefusalCode } from './refusal.ts'

// Names of images, and where their signatures are.

export { type Digest, isDigest, parseDigest } from './reference/digest.ts'
export { formatReference, type ImageReference, identityOf, parseReference } from './reference/reference.ts'
export { isRepository, parseRepository, type Repository } from './reference/repository.ts'
export {
  formatLocation,
  formatSlotPath,
  type Location,
  maxSlot,
  parseLocation,
  parseSlotPath,
  type SlotPath,
} from './reference/tree-path.ts'

// Claims: what is signed.

export { type Claim, type ClaimKind, createClaim, readClaim } from './claim/claim.ts'
export type { Json, JsonObject } from './claim/json.ts'
export { manifestDigest } from './claim/manifest.ts'

// Signatures, as they are uploaded and served.

export type { SignedMessage } from './openpgp/message.ts'
export type { SignaturePacket } from './openpgp/signature-packet.ts'
export {
  readSignature,
  type Signature,
  type SignatureFormat,
  type UnverifiedSigner,
} from './signature/signature.ts'

// Keys, and whether they vouch for a signature.

export { type Certificate, type Keyring, readKeyring, type VerificationKey } from './openpgp/keyring.ts'
export { type Verdict, type VerdictName, verdictNames } from './openpgp/verdict.ts'
export { verifySignature } from './signature/verify.ts'

// Policies: whether an image is signed as it must be, and what is missing.

export {
  evaluateImage,
  evaluatePolicy,
  type ImageQuestion,
  type PolicyQuestion,
  type PolicyReport,
  type SlottedSignature,
} from './policy/evaluate-image.ts'
export { type Policy, readPolicy } from './policy/policy.ts'
export {
  formatKeyName,
  type KeyName,
  type Report,
  type RequirementReport,
  type SignatureReport,
  type TrialReport,
} from './policy/report.ts'
export { type ReadKeys, type SignatureVerdict, type Trust, trustIn } from './policy/trust.ts'

// What policies consist of, and single questions of them.

export { type Admission, admits, namesFor } from './policy/admits.ts'
export type { TrialReason } from './policy/evaluate.ts'
export type { KeyedRequirement, Threshold } from './policy/gate.ts'
export { satisfies } from './policy/identity.ts'
export type { KeySource, KeyType, Requirement, SignedBy } from './policy/requirement.ts'
export { requirementsFor } from './policy/scope.ts'
export type { SignedIdentity } from './policy/signed-identity.ts'

// Patterns of repositories, and the scopes of tokens: what the server takes them for.

export { matches, type Pattern, parsePattern } from './access/pattern.ts'
export { type Action, formatScope, parseScope, type Scope } from './access/principal.ts'
