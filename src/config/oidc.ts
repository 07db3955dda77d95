import { type ClaimRule, parseScopeTemplate } from '../access/claim-rule.ts'
import { parseDuration } from '../access/token.ts'
import { isLoopback } from '../net/outgoing.ts'
import type { IssuerConfig } from './config.ts'
import type { Path } from './keys.ts'
import { meant, readableFile, refuse } from './meaning.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

/**
 * Issuers that give anybody a token, for any audience, and the claims of which one says whose it is. A rule without one would
 * let everybody in.
 * Sources: docs.github.com, "OpenID Connect reference"; docs.gitlab.com, "OpenID Connect (OIDC) Authentication Using ID Tokens".
 */
const openToAll: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'https://token.actions.githubusercontent.com',
    ['repository_id', 'repository', 'repository_owner_id', 'repository_owner', 'sub', 'job_workflow_ref'],
  ],
  [
    'https://gitlab.com',
    ['project_id', 'project_path', 'namespace_id', 'namespace_path', 'sub', 'ci_config_ref_uri'],
  ],
])

export function readIssuers(raw: RawConfig['oidc'], settings: Settings): IssuerConfig[] {
  return raw.map(({ issuer, audience, algorithms, jwksUri, ca, maxLifetime, rules }, index) => {
    const place = ['oidc', index]
    requireSafeUrl(issuer, [...place, 'issuer'], settings)
    if (raw.slice(0, index).some((other) => other.issuer === issuer))
      refuse(settings, [...place, 'issuer'], `is there twice: ${issuer}`)
    if (jwksUri !== undefined) requireSafeUrl(jwksUri, [...place, 'jwksUri'], settings)
    return {
      issuer,
      audience,
      algorithms,
      ...(jwksUri !== undefined && { jwksUri }),
      ...(ca !== undefined && { ca: readableFile([...place, 'ca'], ca, settings) }),
      maxLifetimeSeconds: meant(settings, [...place, 'maxLifetime'], () => parseDuration(maxLifetime)),
      rules: rules.map((rule, at) => readRule(rule, issuer, [...place, 'rules', at], settings)),
    }
  })
}

type RawRule = RawConfig['oidc'][number]['rules'][number]

function readRule({ claims, allow }: RawRule, issuer: string, place: Path, settings: Settings): ClaimRule {
  const names = Object.keys(claims)
  if (!names.length) refuse(settings, [...place, 'claims'], 'must not be empty: every token would match')
  const telling = openToAll.get(issuer)
  if (telling && !telling.some((name) => names.includes(name)))
    refuse(
      settings,
      [...place, 'claims'],
      `must have one of ${telling.join(', ')}: everybody has tokens of ${issuer}`,
    )
  return {
    claims: new Map(Object.entries(claims)),
    allow: allow.map((text, at) => meant(settings, [...place, 'allow', at], () => parseScopeTemplate(text))),
  }
}

/** Whoever can change what is read from there can sign in as anybody. */
function requireSafeUrl(text: string, place: Path, settings: Settings): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (isPlain && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)))) return
  const quoted = text.includes('@') ? '' : `, not "${text}"`
  refuse(settings, place, `must be an https URL without credentials or query${quoted}`)
}
