import { Refusal } from '../refusal.ts'
import { type Challenge, readChallenge } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { type Https, type HttpsAnswer, isHttps } from './https.ts'

/** c/image reads no more of a token (internal/iolimits, `MaxAuthTokenBodySize`). */
const maxTokenBytes = 1024 * 1024

export interface Login {
  /** Of the registry, for messages. */
  host: string
  /** Null: nobody in particular. */
  credentials: Credentials | null
  /** `repository:library/busybox:pull`. */
  scope: string
  https: Https
}

/**
 * What to send as Authorization to a server that has answered with these challenges; null where it asks for nothing that
 * is known here. The first of Basic and Bearer is taken (c/image, docker/docker_client.go, `setupRequestAuth`), and
 * tokens are fetched as there (`getBearerToken`, `getBearerTokenOAuth2`).
 * @throws Refusal no-credentials, bad-credentials
 */
export async function authorize(challenges: readonly string[], login: Login): Promise<string | null> {
  const challenge = challenges
    .map(readChallenge)
    .find((candidate) => candidate?.scheme === 'basic' || candidate?.scheme === 'bearer')
  if (!challenge) return null
  if (challenge.scheme === 'bearer') return `Bearer ${await fetchToken(challenge, login)}`
  const basic = login.credentials && basicOf(login.credentials)
  if (basic === null) throw noCredentials(login.host)
  return basic
}

export function noCredentials(host: string): Refusal {
  return new Refusal(
    'no-credentials',
    `${host} asks for credentials, and there are none for this image: podman login ${host}, or --authfile`,
  )
}

/** Null where there is but an identity token. */
function basicOf({ username, password }: Credentials): string | null {
  if (username === '' || password === '') return null
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

async function fetchToken(challenge: Challenge, { host, credentials, scope, https }: Login): Promise<string> {
  const realm = realmOf(challenge, host)
  const service = challenge.parameters.get('service')
  const common = new URLSearchParams({ ...(service && { service }), scope })
  const answer = credentials?.identityToken
    ? await https(realm, oauth2(realm, common, credentials.identityToken))
    : await https(withQuery(realm, common, credentials?.username), {
        authorization: credentials && basicOf(credentials),
        maxBytes: maxTokenBytes,
      })
  const { status } = answer
  if (status === 401 || status === 403) {
    if (!credentials) throw noCredentials(host)
    throw new Refusal('bad-credentials', `${realm.host} gives no token for the credentials of ${host}`)
  }
  if (status !== 200) throw new Error(`${realm.host} answered ${status}, and gives no token for ${host}`)
  return tokenIn(answer)
}

/**
 * Where the registry has its tokens given out: a registry chooses who else sees the credentials that are for it.
 * @throws where they would go in the clear
 */
function realmOf({ parameters }: Challenge, host: string): URL {
  const realm = parameters.get('realm') ?? ''
  const url = URL.canParse(realm) ? new URL(realm) : null
  if (url && isHttps(url)) return url
  throw new Error(`${host} has tokens given out at "${realm.slice(0, 200)}", which is no https address`)
}

function withQuery(realm: URL, common: URLSearchParams, account: string | undefined): URL {
  const url = new URL(realm)
  if (account) url.searchParams.set('account', account)
  for (const [key, value] of common) url.searchParams.append(key, value)
  return url
}

/** distribution.github.io/distribution/spec/auth/oauth */
function oauth2(realm: URL, common: URLSearchParams, identityToken: string) {
  const form = new URLSearchParams([
    ...realm.searchParams,
    ...common,
    ['grant_type', 'refresh_token'],
    ['refresh_token', identityToken],
    ['client_id', 'lookaside'],
  ])
  return {
    method: 'POST' as const,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    maxBytes: maxTokenBytes,
  }
}

function tokenIn({ url, body }: HttpsAnswer): string {
  const { token, access_token } = parseObject(body)
  const found = token || access_token
  // Not shown, whatever it is: what comes in its place may be a secret too.
  if (typeof found !== 'string' || !/^[\x21-\x7e]+$/.test(found))
    throw new Error(`${url.host} answered without a token`)
  return found
}

function parseObject(body: Buffer): Record<string, unknown> {
  try {
    return Object(JSON.parse(body.toString()))
  } catch {
    return {}
  }
}
