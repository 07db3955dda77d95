import { hasDigest, manifestDigest, manifestTypes, maxManifestBytes } from '../claim/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { authorize, type Login, noCredentials } from './authorize.ts'
import { registryCertificates } from './certs-d.ts'
import { configHomeOf, findCredentials } from './credentials.ts'
import { type HttpsAnswer, newHttps } from './https.ts'
import type { Manifests } from './manifests.ts'

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

/** What is asked first, and tells what the registry wants to know of the user. */
const pingPath = '/v2/'

const maxErrorBytes = maxManifestBytes

/**
 * The manifests of an image in its registry, asked for as c/image asks (docker/docker_client.go), over HTTPS alone.
 * Mirrors and other settings of registries.conf are not looked at.
 * @throws Refusal bad-reference
 */
export function registryManifests(image: ImageReference, access: RegistryAccess): Manifests {
  const { host, path, tag } = image
  const base = baseOf(host)
  let session: Promise<Session> | undefined

  const get = async (reference: string): Promise<Buffer> => {
    session ??= open(image, base, access)
    const { login, authorization } = await session
    const url = new URL(`/v2/${path}/manifests/${reference}`, base)
    const headers = { accept: manifestTypes }
    const ask = (authorization: string | null) =>
      login.https(url, { headers, authorization, maxBytes: maxManifestBytes })
    const answer = await ask(authorization)
    if (answer.status === 200) return answer.body
    // Only the manifest itself may be refused to who has no token, or the token was for less.
    const isOwn = answer.url.origin === base.origin
    const other = answer.status === 401 && isOwn ? await authorize(answer.challenges, login) : null
    const second = other !== null && other !== authorization ? await ask(other) : answer
    if (second.status === 200) return second.body
    throw refusalOf(second, login, `${host}/${path}${reference.includes(':') ? '@' : ':'}${reference}`)
  }

  const byDigest = async (digest: Digest): Promise<Uint8Array> => {
    const bytes = await get(digest)
    if (!hasDigest(bytes, digest))
      throw new Refusal(
        'digest-mismatch',
        `${host} was asked for ${digest}, and answered with another manifest`,
      )
    return bytes
  }

  return {
    byDigest,
    async named(wanted) {
      if (wanted !== null) return { digest: wanted, bytes: await byDigest(wanted) }
      if (tag === undefined) {
        const name = formatReference({ host, path })
        throw new Refusal(
          'configuration',
          `Say which image the registry is asked for: ${name}:TAG, or its digest`,
        )
      }
      const bytes = await get(tag)
      return { digest: manifestDigest(bytes), bytes }
    },
  }
}

interface Session {
  login: Login
  authorization: string | null
}

async function open({ host, path }: ImageReference, base: URL, access: RegistryAccess): Promise<Session> {
  const { env, authFile, ca, userAgent } = access
  const certificates = await registryCertificates(host, { configHome: configHomeOf(env) })
  const trusted = { ...certificates, ca: [...certificates.ca, ...(ca === null ? [] : [ca])] }
  const https = newHttps({ origin: base.origin, certificates: trusted, userAgent, env })
  const ping = await https(new URL(pingPath, base), { maxBytes: maxErrorBytes })
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
