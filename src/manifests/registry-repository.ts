import { maxManifestBytes } from '../claim/manifest.ts'
import type { ImageReference } from '../reference/reference.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { authorize, type Login, noCredentials } from './authorize.ts'
import { registryCertificates } from './certs-d.ts'
import { configHomeOf, findCredentials } from './credentials.ts'
import { type HttpsAnswer, newHttps } from './https.ts'

/** How a registry is reached, and as whom. */
export interface RegistryAccess {
  /** Where credentials, certificates and proxies are named: HOME, REGISTRY_AUTH_FILE, HTTPS_PROXY … */
  env: NodeJS.ProcessEnv
  /** The only file of credentials; null: those of the user, as podman and skopeo find them. */
  authFile: string | null
  /** Certificates in PEM, trusted beside those of the system and of certs.d; null: no others. */
  ca: string | null
  userAgent: string
}

/** One repository of a registry. The first question logs in, where the registry wants that. */
export interface RegistryRepository {
  host: string
  path: Repository
  /**
   * Asks for what is below the repository: `manifests/1.0`, `tags/list?n=10`.
   * @param name what that is, for messages
   * @returns an answer with status 200
   * @throws Refusal not-found, no-credentials, bad-credentials, not-allowed; Error for anything else
   */
  ask(
    below: string,
    request: { name: string; method?: 'GET' | 'HEAD'; accept?: readonly string[] },
  ): Promise<HttpsAnswer>
}

/** What is asked first, and tells what the registry wants to know of the user. */
const pingPath = '/v2/'

const maxAnswerBytes = maxManifestBytes

/**
 * A repository, asked as c/image asks (docker/docker_client.go), over HTTPS alone. Mirrors and other settings of
 * registries.conf are not looked at.
 * @throws Refusal bad-reference
 */
export function registryRepository(
  { host, path }: Pick<ImageReference, 'host' | 'path'>,
  access: RegistryAccess,
): RegistryRepository {
  const base = baseOf(host)
  let session: Promise<Session> | undefined

  return {
    host,
    path,
    async ask(below, { name, method = 'GET', accept }) {
      session ??= open({ host, path }, base, access)
      const opened = await session
      const { login } = opened
      const url = new URL(`/v2/${path}/${below}`, base)
      const headers = accept && { accept }
      const ask = () =>
        login.https(url, {
          method,
          ...(headers && { headers }),
          authorization: opened.authorization,
          maxBytes: maxAnswerBytes,
        })
      const answer = await ask()
      if (answer.status === 200) return answer
      // Only the thing itself may be refused to who has no token, or the token was for less, or has expired.
      const isOwn = answer.url.origin === base.origin
      const other = answer.status === 401 && isOwn ? await authorize(answer.challenges, login) : null
      const isNew = other !== null && other !== opened.authorization
      if (isNew) opened.authorization = other
      const second = isNew ? await ask() : answer
      if (second.status === 200) return second
      throw refusalOf(second, login, name)
    },
  }
}

interface Session {
  login: Login
  authorization: string | null
}

async function open(
  { host, path }: Pick<ImageReference, 'host' | 'path'>,
  base: URL,
  access: RegistryAccess,
): Promise<Session> {
  const { env, authFile, ca, userAgent } = access
  const certificates = await registryCertificates(host, { configHome: configHomeOf(env) })
  const trusted = { ...certificates, ca: [...certificates.ca, ...(ca === null ? [] : [ca])] }
  const https = newHttps({ origin: base.origin, certificates: trusted, userAgent, env })
  const ping = await https(new URL(pingPath, base), { maxBytes: maxAnswerBytes })
  if (ping.status !== 200 && ping.status !== 401)
    throw new Error(`${host} is not a registry that can be asked: ${pingPath} answered ${ping.status}`)
  // Whoever it redirects to is not told who the user is.
  const isOwn = ping.url.origin === base.origin
  const credentials = isOwn ? await findCredentials(`${host}/${path}`, { env, authFile }) : null
  const login = { host, credentials, scope: `repository:${path}:pull`, https }
  return { login, authorization: await authorize(ping.challenges, login) }
}

/** Docker Hub has a name of its own for its registry (c/image, docker/docker_client.go, `dockerRegistry`). */
function baseOf(host: string): URL {
  const url = `https://${host === 'docker.io' ? 'registry-1.docker.io' : host}`
  if (URL.canParse(url)) return new URL(url)
  throw new Refusal('bad-reference', `"${host}" is not the host of a registry`)
}

function refusalOf({ url, status, body }: HttpsAnswer, { host, credentials }: Login, name: string): Error {
  if (status === 401 && !credentials) return noCredentials(host)
  if (status === 401)
    return new Refusal('bad-credentials', `${host} does not take the credentials for ${name}`)
  if (status === 403) return new Refusal('not-allowed', `${host} does not allow to read ${name}`)
  if (status === 404) return new Refusal('not-found', `${name} is not in the registry`)
  return new Error(`${url.host} answered ${status} to the question for ${name}${explanationIn(body)}`)
}

/** OCI distribution specification, "Error codes". */
function explanationIn(body: Buffer): string {
  try {
    const { code, message } = JSON.parse(body.toString()).errors[0]
    return `: ${String(code).slice(0, 100)}: ${String(message).slice(0, 300)}`
  } catch {
    return ''
  }
}
