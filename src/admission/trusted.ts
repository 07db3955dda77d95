import type { Claim } from '../claim/claim.ts'
import type { CheckFunction } from '../openpgp/verdict.ts'
import { admits, namesFor } from '../policy/admits.ts'
import type { TrialReason } from '../policy/evaluate.ts'
import { formatKeyName, type KeyName } from '../policy/report.ts'
import { requirementsFor } from '../policy/scope.ts'
import type { ImageReference } from '../reference/reference.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Signature } from '../signature/signature.ts'
import type { SignatureVerdict, Trust } from '../trust/trust.ts'
import { imagesAt, type Registry } from './place.ts'

/**
 * Admits a signature only if, by some name of an image that finds it at that repository, some requirement of the policy
 * would accept it. Nothing else than the policy and its keys is asked.
 * @param now Unix milliseconds
 * @throws Refusal not-trusted
 */
export async function requireTrusted(
  signature: Signature,
  home: Repository,
  trust: Trust,
  registries: readonly Registry[] | undefined,
  { now, check }: { now: number; check?: CheckFunction },
): Promise<void> {
  const reasons = new Set<string>()
  const wanted = new Map<string, KeyName>()
  for (const name of namesOf(signature.claim, home, registries)) {
    const { scope, requirements } = requirementsFor(trust.policy, name)
    const admission = await admits(requirements, name, signature, (candidate, requirement) =>
      trust.verify(candidate, requirement, now, check),
    )
    if (admission.admitted) return
    if (admission.reason === 'closed') reasons.add(`${scope} takes no signatures`)
    for (const { requirement, reasons: why, verdict } of admission.tried) {
      reasons.add(`${requirement.place}: ${why.map((reason) => inWords(reason, verdict)).join(' and ')}`)
      for (const key of await trust.keysOf(requirement, now)) wanted.set(key.fingerprint, key)
    }
    if (admission.reason === 'none-accepts' && !admission.tried.length)
      reasons.add(`${scope} asks for no signature of this kind`)
  }
  throw new Refusal(
    'not-trusted',
    `${signedBy(signature)}, and no requirement would accept that: ${[...reasons].join('; ')}${accepted([...wanted.values()])}`,
  )
}

/** Of hundreds of keys a person reads the first ones. */
const maxKeysNamed = 5

function accepted(keys: KeyName[]): string {
  if (!keys.length) return ''
  const named = keys.slice(0, maxKeysNamed).map(formatKeyName)
  const more = keys.length > maxKeysNamed ? ` and ${keys.length - maxKeysNamed} more` : ''
  return `; the keys of these requirements are ${named.join(', ')}${more}`
}

/** How clients ask for what is kept there: as the claim says, and by each registry whose images are looked up there. */
function namesOf(
  claim: Claim,
  home: Repository,
  registries: readonly Registry[] | undefined,
): ImageReference[] {
  const { host, path } = claim.reference
  const images = imagesAt(home, registries ?? [{ host }])
  const others = images.filter((image) => image.host !== host || image.path !== path)
  return [{ host, path }, ...others].flatMap((image) => namesFor(claim, image))
}

function signedBy({ signer }: Signature): string {
  if (!signer) return 'It names no key'
  return `It says it is by key ${signer.unverifiedFingerprint ?? signer.unverifiedKeyId}`
}

function inWords(reason: TrialReason, verdict: SignatureVerdict | null): string {
  if (reason === 'verdict') return verdict ? `${verdict.status} by its keys` : 'not verified'
  return { format: 'another format', digest: 'another digest', identity: 'another identity', age: 'too old' }[
    reason
  ]
}
