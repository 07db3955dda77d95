import { canMatch, dockerTransport } from './docker-scope.ts'
import { type GateRules, isKeyed, type Threshold } from './gate.ts'
import type { KeyName } from './report.ts'
import type { Requirement } from './requirement.ts'
import type { SignedIdentity } from './signed-identity.ts'
import type { Trust } from './trust.ts'

/** What a gate asks of images, to be told to people before they ask about one. */
export interface GateDemands {
  /** Of the policy, in its order; the narrowest that an image is in counts for it. */
  scopes: {
    /** As the policy has it: `quay.io/team`; null: every image that is in no other. */
    scope: string | null
    demands: Demand[]
  }[]
  /** What is asked of every image besides. */
  thresholds: Demand[]
  /** Seconds: older signatures do not count. Null: any age will do. */
  maxAge: number | null
  /** Whether an index must pass like its children. */
  index: GateRules['index']
}

/** A requirement, or a threshold. */
export interface Demand {
  type: Requirement['type'] | Threshold['type']
  /** What signatures are asked for; null where none is, or none would help. */
  signatures: {
    /** By how many different keys. */
    atLeast: number
    /** The first of those whose signatures count now. */
    keys: KeyName[]
    /** How many there are besides. */
    otherKeys: number
    /** Which names the claims may have. */
    signedIdentity: SignedIdentity
  } | null
}

/** Of hundreds of keys a person reads the first ones. */
export const maxKeysNamed = 10

/**
 * @param now Unix milliseconds
 * @throws Refusal policy, keyring: where a requirement names keys that cannot be used
 */
export async function gateDemands(
  trust: Pick<Trust, 'policy' | 'thresholds' | 'keysOf'>,
  { maxAge, index }: Pick<GateRules, 'maxAge' | 'index'>,
  now: number,
): Promise<GateDemands> {
  const { policy, thresholds } = trust
  const demandsOf = (requirements: readonly (Requirement | Threshold)[]) =>
    Promise.all(requirements.map((requirement) => demandOf(requirement, trust, now)))
  const scopes = policy.transports.get(dockerTransport) ?? new Map<string, Requirement[]>()
  const named = [...scopes].filter(([scope]) => scope !== '' && canMatch(scope))
  const others = scopes.get('') ?? policy.default
  return {
    scopes: await Promise.all(
      [...named, [null, others] as const].map(async ([scope, requirements]) => ({
        scope,
        demands: await demandsOf(requirements),
      })),
    ),
    thresholds: await demandsOf(thresholds),
    maxAge,
    index,
  }
}

async function demandOf(
  requirement: Requirement | Threshold,
  { keysOf }: Pick<Trust, 'keysOf'>,
  now: number,
): Promise<Demand> {
  const { type } = requirement
  if (!isKeyed(requirement)) return { type, signatures: null }
  const keys = await keysOf(requirement, now)
  return {
    type,
    signatures: {
      atLeast: requirement.type === 'threshold' ? requirement.atLeast : 1,
      keys: keys.slice(0, maxKeysNamed),
      otherKeys: Math.max(keys.length - maxKeysNamed, 0),
      signedIdentity: requirement.signedIdentity,
    },
  }
}
