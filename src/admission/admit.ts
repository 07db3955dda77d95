import { matches, parsePattern } from '../access/pattern.ts'
import type { Principal } from '../access/principal.ts'
import type { JsonObject } from '../claim/json.ts'
import type { Repository } from '../reference/repository.ts'
import type { Location } from '../reference/tree-path.ts'
import { readSignature } from '../signature/signature.ts'
import type { Appended, DigestView, Storage, StoredSignature } from '../storage/storage.ts'
import type { Trust } from '../trust/trust.ts'
import { place, type Registry, requirePush, type Wanted } from './place.ts'
import { requireTrusted } from './trusted.ts'

/** What the operator decided about signatures. */
export interface AdmissionRules {
  registries?: readonly Registry[]
  digestViews: readonly DigestView[]
  sigstoreJson: boolean
}

export interface Upload extends Wanted {
  bytes: Uint8Array
  principal: Principal
  /** As the log shows it. */
  actor: string
}

export interface Admitted {
  outcome: Appended['outcome']
  signature: StoredSignature
  claim: JsonObject
  /** Sentences for the signer: the upload was taken, and something about it is unusual. */
  warnings: string[]
}

export type Admit = (upload: Upload) => Promise<Admitted>

/**
 * The one way in: every door hands what it received to this function, and adds no rule of its own. `trust` says what the
 * operator's policy is now; without it, what is well formed is admitted.
 */
export function admission(
  storage: Pick<Storage, 'append'>,
  rules: AdmissionRules,
  trust?: () => Trust,
  clock: () => number = Date.now,
): Admit {
  const viewsOf = digestViews(rules.digestViews)

  return async ({ bytes, principal, actor, repository, digest }) => {
    if (repository) requirePush(principal, repository)
    const signature = readSignature(bytes, { sigstoreJson: rules.sigstoreJson })
    const { claim, signer } = signature
    const home = place(claim, { repository, digest }, principal, rules.registries)
    if (trust) await requireTrusted(signature, home.name, trust(), rules.registries, clock())
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
      actor,
    })
    const warnings = [...claim.warnings, ...sharedSpace(claim.reference.host, appended, rules)]
    return { outcome: appended.outcome, signature: appended.signature, claim: claim.document, warnings }
  }
}

/** The views that a repository location is also seen in. */
function digestViews(views: readonly DigestView[]): (home: Location & { kind: 'repository' }) => Location[] {
  const covers = viewCovers(views)
  return (home) =>
    views
      .filter((view) => covers(view, home.name))
      .map(({ base }) => ({ kind: 'view', name: base, digest: home.digest }))
}

/** Whether a view shows the signatures of a repository. */
export function viewCovers(
  views: readonly DigestView[],
): (view: DigestView, repository: Repository) => boolean {
  const patterns = new Map(views.map((view) => [view.base, view.repositories.map(parsePattern)]))
  return ({ base }, repository) => (patterns.get(base) ?? []).some((pattern) => matches(pattern, repository))
}

/** Without `registries` all hosts share one space, as in any docroot: the first claim of a second host is a surprise. */
function sharedSpace(host: string, { otherHosts }: Appended, { registries }: AdmissionRules): string[] {
  if (registries || !otherHosts) return []
  return [
    `${host} shares its paths here with ${otherHosts.join(', ')}: give each registry a prefix (registries) to keep them apart`,
  ]
}
