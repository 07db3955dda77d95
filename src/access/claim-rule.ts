import { isRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { parseScope, type Scope } from './principal.ts'

/** Signature algorithms with a public key (RFC 7518, RFC 8037, RFC 9864). Those with a shared secret are not among them. */
export const issuerAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** What the claims of a signed token must be, and what is allowed where all of them are. */
export interface ClaimRule {
  /** By name. Never empty. */
  claims: ReadonlyMap<string, ClaimValue>
  allow: readonly ScopeTemplate[]
}

export type ClaimValue = string | number | boolean

declare const checked: unique symbol

/** A scope in which `{name}` stands for the value of a claim: `push:{repository}`. */
export type ScopeTemplate = string & { readonly [checked]: 'ScopeTemplate' }

const placeholder = /\{([A-Za-z0-9_.:/-]+)\}/g

/** @throws Refusal bad-pattern */
export function parseScopeTemplate(text: string): ScopeTemplate {
  // With any repository in it, it must be a scope.
  parseScope(text.replaceAll(placeholder, 'a'))
  return text as ScopeTemplate
}

/**
 * What claims allow by all rules that match. A rule matches where each of its claims is there with exactly that value, of
 * that type: "1" is not 1, and a list matches nothing. Null: no rule matches.
 */
export function scopesOfClaims(
  rules: readonly ClaimRule[],
  claims: Readonly<Record<string, unknown>>,
): Scope[] | null {
  const matching = rules.map((rule) => scopesOfRule(rule, claims)).filter((scopes) => scopes !== null)
  return matching.length ? matching.flat() : null
}

function scopesOfRule(
  { claims: wanted, allow }: ClaimRule,
  claims: Readonly<Record<string, unknown>>,
): Scope[] | null {
  for (const [name, value] of wanted) {
    if (!Object.hasOwn(claims, name) || claims[name] !== value) return null
  }
  const scopes = allow.map((template) => fillIn(template, claims))
  return scopes.every((scope) => scope !== null) ? scopes : null
}

/**
 * Null where a claim is missing or is no repository path: whoever may choose its value, such as the name of a branch, must not
 * write a pattern with it.
 */
function fillIn(template: ScopeTemplate, claims: Readonly<Record<string, unknown>>): Scope | null {
  let isFilled = true
  const text = template.replaceAll(placeholder, (_match, name: string) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (typeof value === 'string' && isRepository(value)) return value
    isFilled = false
    return ''
  })
  if (!isFilled) return null
  try {
    return parseScope(text)
  } catch (error) {
    // Longer than a pattern may be.
    if (error instanceof Refusal) return null
    throw error
  }
}
