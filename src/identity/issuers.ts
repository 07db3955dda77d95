import { errors, type JWTPayload, jwtVerify } from 'jose'
import { type ClaimRule, type issuerAlgorithms, scopesOfClaims } from '../access/claim-rule.ts'
import type { Principal } from '../access/principal.ts'
import { readJson } from '../claim/json.ts'
import { Refusal } from '../refusal.ts'
import { type IssuerKeys, issuerKeys } from './issuer-keys.ts'
import { printableName } from './printable-name.ts'

export interface IssuerSettings {
  /** Exactly as its tokens name it. */
  issuer: string
  audience: string
  algorithms: readonly (typeof issuerAlgorithms)[number][]
  /** Absent: where the metadata of the issuer say. */
  jwksUri?: string
  /** In PEM, trusted beside the CAs of the system. */
  ca: readonly string[]
  maxLifetimeSeconds: number
  rules: readonly ClaimRule[]
}

/** Whose tokens (JWT, RFC 7519) are taken, and for what. */
export interface Issuers {
  /** Whether a text is, or wants to be, a token of one of these issuers for this server. Nothing of it is verified. */
  knows(text: string): boolean
  /**
   * Who signs in with a token.
   * @throws Refusal bad-credentials, not-allowed; issuer-unreachable
   */
  signIn(text: string): Promise<{ principal: Principal; actor: string }>
  close(): Promise<void>
}

/** Those of GitHub and GitLab have up to 3 KB; Node takes 16 KB of headers. */
const maxTokenLength = 8192

/** How far the clock of an issuer may be from this one. */
const toleranceSeconds = 30

export function oidcIssuers(settings: readonly IssuerSettings[], clock: () => number): Issuers {
  const issuers = new Map(
    settings.map((issuer) => [issuer.issuer, { ...issuer, keys: issuerKeys(issuer, clock) }]),
  )

  return {
    knows(text) {
      const { iss, aud } = looseClaims(text)
      const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined
      return issuer !== undefined && [aud].flat().includes(issuer.audience)
    },

    async signIn(text) {
      if (text.length > maxTokenLength) throw bad(`The token is longer than ${maxTokenLength} characters`)
      const { iss } = looseClaims(text)
      const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined
      if (!issuer) throw bad('The token is of an issuer that is not known here')
      const claims = await verify(text, issuer, clock())
      const subject = printableName(claims.sub ?? '', 200)
      const scopes = scopesOfClaims(issuer.rules, claims)
      if (!scopes)
        throw new Refusal('not-allowed', `No rule for ${issuer.issuer} matches the claims of the token`)
      return {
        principal: { name: subject, scopes },
        actor: `oidc:${printableName(issuer.issuer, 100)} ${subject}`,
      }
    },

    close: async () => void (await Promise.all([...issuers.values()].map(({ keys }) => keys.close()))),
  }
}

/**
 * What a token says, read leniently, so that one that is spoilt on its way is still known for what it is: to find out whom
 * it is for, never to believe it.
 */
function looseClaims(text: string): { iss?: unknown; aud?: unknown } {
  try {
    const claims: unknown = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? claims : {}
  } catch {
    return {}
  }
}

async function verify(
  text: string,
  { issuer, audience, algorithms, maxLifetimeSeconds, keys }: IssuerSettings & { keys: IssuerKeys },
  now: number,
): Promise<JWTPayload> {
  requireStrict(text)
  const options = {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ['exp', 'iat', 'sub'],
    clockTolerance: toleranceSeconds,
    currentDate: new Date(now),
  }
  const { payload } = await jwtVerify(text, keys.keyFor, options).catch((error) => {
    if (error instanceof Refusal) throw error
    if (error instanceof errors.JOSEError) throw bad(reasonOf(error, audience), error)
    // Of a key that is none, or too small, jose throws what the platform does.
    throw bad('The key of its issuer that the token names cannot be used', error)
  })
  const { iat = 0, exp = 0, sub } = payload
  if (typeof sub !== 'string' || sub === '') throw bad('The token names no subject')
  if (iat > now / 1000 + toleranceSeconds) throw bad('The token is not valid yet')
  if (exp - iat > maxLifetimeSeconds)
    throw bad(`The token is valid for longer than ${maxLifetimeSeconds} seconds, which is not taken here`)
  return payload
}

/** Two readers must not see different claims: a member twice, and other texts of that kind, are refused. */
function requireStrict(text: string): void {
  for (const part of text.split('.').slice(0, 2)) {
    try {
      readJson(Buffer.from(part, 'base64url'))
    } catch (cause) {
      throw bad('The token is not well formed: its JSON can be read in more than one way', cause)
    }
  }
}

/** For a person: which check it was, without what the token or the issuer has. */
function reasonOf(error: errors.JOSEError, audience: string): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return `The token has no claim "${error.claim}"`
    if (error.claim === 'aud') return `The token is for another audience than ${audience}`
    if (error.claim === 'nbf') return 'The token is not valid yet'
    return `The claim "${error.claim}" of the token is not as it must be`
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed with an algorithm that is not taken of its issuer'
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return 'The signature of the token is not by the key of its issuer'
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'The token does not name one key of its issuer'
  return 'The token is not a JWT that can be used here'
}

function bad(detail: string, cause?: unknown): Refusal {
  return new Refusal('bad-credentials', detail, { cause })
}
