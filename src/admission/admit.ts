import { hash } from 'node:crypto'
import { matches, parsePattern } from '../access/pattern.ts'
import type { Principal } from '../access/principal.ts'
import type { JsonObject } from '../claim/json.ts'
import { publicKeyAlgorithm } from '../openpgp/algorithms.ts'
import { candidates } from '../openpgp/candidates.ts'
import type { Keyring } from '../openpgp/keyring.ts'
import { type CheckFunction, rememberingCheck, verifyMessage } from '../openpgp/verdict.ts'
import type { Location } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type Signature } from '../signature/signature.ts'
import type { Origin } from '../storage/audit.ts'
import type { Appended, DigestView, NewSignature, Storage, StoredSignature } from '../storage/storage.ts'
import { noTrust, type OperatorTrust } from '../trust/operator.ts'
import {
  type MirroredPrefix,
  place,
  type Registry,
  repositoryOf,
  requireNotMirrored,
  requirePush,
  type Wanted,
} from './place.ts'
import { requireTrusted } from './trusted.ts'

/** What the operator decided about signatures. */
export interface AdmissionRules {
  registries?: readonly Registry[]
  digestViews: readonly DigestView[]
  sigstoreJson: boolean
  /** Prefixes that take nothing but what their mirrors bring. */
  mirrors?: readonly MirroredPrefix[]
}

export interface Upload extends Wanted {
  bytes: Uint8Array
  principal: Principal
  /** As the log shows it. */
  actor: string
  /** By which door it came, for the audit trail. */
  origin: Origin
  /** Where a copy is kept of another place: that place, and the round in which it was seen to have it. */
  source?: NewSignature['source']
  /** What that place says that its identity is: another one is refused. */
  identity?: string
  /** Of one that was withdrawn here: it may come back. */
  reinstate?: NewSignature['reinstate']
}

export interface Admitted {
  outcome: Appended['outcome']
  returned: Appended['returned']
  /** Of what was uploaded. */
  identity: string
  /** What is served of it: itself, or a later one of the same. */
  signature: StoredSignature
  claim: JsonObject
  /** Sentences for the signer: the upload was taken, and something about it is unusual. */
  warnings: string[]
}

export type Admit = (upload: Upload) => Promise<Admitted>

/**
 * The one way in: every door hands what it received to this function, and adds no rule of its own. `trust` says what the
 * operator trusts now; without a policy for uploads, what is well formed is admitted.
 */
export function admission(
  storage: Pick<Storage, 'append'>,
  rules: AdmissionRules,
  trust: () => Pick<OperatorTrust, 'uploads' | 'keyring'> = () => noTrust,
  clock: () => number = Date.now,
): Admit {
  const viewsOf = digestViews(rules.digestViews)

  const admit = async (upload: Upload, about: NonNullable<Refusal['about']>): Promise<Admitted> => {
    const { bytes, principal, actor, origin, repository, digest, source, identity, reinstate } = upload
    if (repository) requirePush(principal, repository)
    const signature = readSignature(bytes, { sigstoreJson: rules.sigstoreJson })
    const { claim, signer } = signature
    about.identity = signature.identity
    about.digest = claim.digest
    const usual = repositoryOf(claim.reference, rules.registries)
    if (!(usual instanceof Refusal)) about.repository ??= usual
    if (identity !== undefined && identity !== signature.identity)
      throw new Refusal('source-mismatch', `It is another signature than the source says, not ${identity}`)
    const home = place(claim, { repository, digest }, principal, rules.registries)
    if (!reinstate) requireNotMirrored(home.name, source?.name, rules.mirrors ?? [])
    const { uploads: policy, keyring } = trust()
    // What the policy and the keyring ask about a key is worked out once.
    const check = rememberingCheck()
    const now = clock()
    if (policy) await requireTrusted(signature, home.name, policy, rules.registries, { now, check })
    const appended = await storage.append({
      home,
      views: viewsOf(home),
      identity: signature.identity,
      sha256: signature.sha256,
      format: signature.format,
      blob: signature.blob,
      host: claim.reference.host,
      dockerReference: claim.dockerReference,
      signer,
      ...judged(signature, keyring, { now, check }),
      actor,
      origin,
      ...(source && { source }),
      ...(reinstate && { reinstate }),
    })
    const warnings = [
      ...claim.warnings,
      ...sharedSpace(claim.reference.host, appended, rules),
      ...supersededBy(signature, appended),
      ...otherBytes(signature, appended),
    ]
    return {
      outcome: appended.outcome,
      returned: appended.returned,
      identity: signature.identity,
      signature: appended.signature,
      claim: claim.document,
      warnings,
    }
  }

  return async (upload) => {
    const { bytes, repository, digest } = upload
    const about = { ...(repository && { repository }), ...(digest && { digest }) }
    try {
      return await admit(upload, about)
    } catch (error) {
      if (error instanceof Refusal) error.about = { ...about, sha256: hash('sha256', bytes, 'hex') }
      throw error
    }
  }
}

/** What the keys of the operator say of it, to be stored with it. */
function judged(
  { message }: Signature,
  keyring: Keyring,
  { now, check }: { now: number; check: CheckFunction },
): Pick<NewSignature, 'checks' | 'validBy'> {
  if (!message) return { checks: [], validBy: null }
  const { verdict, key } = verifyMessage(message, keyring, Math.floor(now / 1000), check)
  const checks = candidates(keyring, message.signature).map((candidate) => {
    return { fingerprint: candidate.fingerprint, result: check(message, candidate) }
  })
  return { checks, validBy: verdict === 'valid' && key ? key.fingerprint : null }
}

/** The views that a repository location is also seen in. */
function digestViews(views: readonly DigestView[]): (home: Location & { kind: 'repository' }) => Location[] {
  const patterns = views.map(({ base, repositories }) => ({ base, patterns: repositories.map(parsePattern) }))
  return ({ name, digest }) =>
    patterns
      .filter((view) => view.patterns.some((pattern) => matches(pattern, name)))
      .map(({ base }) => ({ kind: 'view', name: base, digest }))
}

/** Without `registries` all hosts share one space, as in any docroot: the first claim of a second host is a surprise. */
function sharedSpace(host: string, { otherHosts }: Appended, { registries }: AdmissionRules): string[] {
  if (registries || !otherHosts) return []
  return [
    `${host} shares its paths here with ${otherHosts.join(', ')}: give each registry a prefix (registries) to keep them apart`,
  ]
}

function supersededBy({ identity }: Signature, { signature: served }: Appended): string[] {
  if (served.identity === identity) return []
  return [`signature ${served.id}, a later one by the same key, says the same: it is the one that is served`]
}

/** Of DSA and ECDSA a copy can have been spoilt and have the same identity; see `identityOfMessage`. */
function otherBytes({ message, sha256 }: Signature, { outcome, signature: stored }: Appended): string[] {
  const isOpen = message !== null && valuesLeftOpen.includes(message.signature.publicKeyAlgorithm)
  if (!isOpen || outcome !== 'present' || stored.sha256 === sha256 || stored.verdict === 'valid') return []
  return [
    `signature ${stored.id} is stored of it with other bytes, and no key is known here that says whether they are good: verify it`,
  ]
}

const valuesLeftOpen: readonly number[] = [publicKeyAlgorithm.dsa, publicKeyAlgorithm.ecdsa]
