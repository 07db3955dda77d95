import { Refusal } from '../refusal.ts'
import {
  type Candidate,
  evaluate,
  isSupported,
  type Outcome,
  type Proof,
  type Question,
  type Trial,
  tryOne,
  type Verdict,
  type Verify,
} from './evaluate.ts'
import type { KeySource, Requirement, SignedBy } from './requirement.ts'
import type { SignedIdentity } from './signed-identity.ts'

/** What a gate asks beside its policy. Clients know nothing of it. */
export interface GateRules {
  /** Each of them must be met. */
  thresholds: readonly Threshold[]
  /** Seconds: older signatures do not count. Null: any age will do. */
  maxAge: number | null
  /** Whether an index must be signed like its children. Clients verify the image they run, and never the index. */
  index: 'ignored' | 'required'
}

/** Signatures by so many of some keys, whichever: primary keys are counted, each once, with all its subkeys. */
export interface Threshold {
  type: 'threshold'
  place: string
  atLeast: number
  keys: KeySource
  signedIdentity: SignedIdentity
}

/** A requirement that names keys. */
export type KeyedRequirement = SignedBy | Threshold

/** Whether signatures by its keys are looked for: not so for kinds of keys that nobody supports. */
export function isKeyed(requirement: Requirement | Threshold): requirement is KeyedRequirement {
  return requirement.type === 'threshold' || (requirement.type === 'signedBy' && isSupported(requirement))
}

export interface GateEvaluation<C extends Candidate, V extends Verdict> {
  passed: boolean
  /** Those of the policy, in its order, then the thresholds. */
  outcomes: Outcome<C, V, Requirement | Threshold>[]
}

/**
 * Whether an image passes: everything the policy asks, and everything the gate asks beside it.
 * @param now Seconds since 1970
 */
export async function evaluateGate<C extends Candidate, V extends Verdict>(
  requirements: Requirement[],
  { thresholds, maxAge }: Pick<GateRules, 'thresholds' | 'maxAge'>,
  asked: Question,
  candidates: C[],
  verify: Verify<C, V, KeyedRequirement>,
  now: number,
): Promise<GateEvaluation<C, V>> {
  const question = maxAge === null ? asked : { ...asked, madeSince: now - maxAge }
  const { outcomes }: GateEvaluation<C, V> = await evaluate(requirements, question, candidates, verify)
  for (const threshold of thresholds)
    outcomes.push(await outcomeOfThreshold(threshold, question, candidates, verify))
  return { passed: outcomes.every(({ unmet }) => unmet === null), outcomes }
}

async function outcomeOfThreshold<C extends Candidate, V extends Verdict>(
  requirement: Threshold,
  question: Question,
  candidates: C[],
  verify: Verify<C, V, KeyedRequirement>,
): Promise<Outcome<C, V, Threshold>> {
  const { atLeast, place } = requirement
  // Fewer than one would let every image pass.
  if (!(atLeast >= 1)) throw new Refusal('policy', `${place} asks for ${atLeast} keys; the least is 1.`)
  const by = new Map<string, Proof<C, V>>()
  const tried: Trial<C, V>[] = []
  for (const candidate of candidates) {
    const trial = await tryOne(requirement, question, candidate, verify)
    const { verdict, reasons } = trial
    if (verdict === null || verdict.primaryFingerprint === null || reasons.length > 0) tried.push(trial)
    else if (!by.has(verdict.primaryFingerprint)) by.set(verdict.primaryFingerprint, { candidate, verdict })
  }
  const proofs = [...by.values()]
  if (proofs.length >= atLeast) return { requirement, unmet: null, by: proofs, tried }
  const unmet = proofs.length ? 'too-few-keys' : tried.length ? 'none-accepted' : 'no-signature'
  return { requirement, unmet, by: proofs, tried }
}
