import { createHash } from 'node:crypto'
import { Agent, type Dispatcher, request } from 'undici'
import { systemCas } from '../net/outgoing.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'

/** A registry behind this server. */
export interface UpstreamRegistry {
  origin: string
  /** For whatever is sent there. */
  dispatcher: Dispatcher
  /**
   * The values of WWW-Authenticate with which it answers who brings no credentials; empty: it asks for none.
   * @throws Refusal registry-unreachable
   */
  challenges(): Promise<string[]>
  /**
   * Whether it would let this caller push to a repository where that manifest is. Nothing is left behind there.
   * @param authorization as the caller sent it; null: no credentials
   * @returns whether it knows the caller; false where it lets everybody push, whatever they call themselves
   * @throws Refusal no-credentials, bad-credentials, not-allowed, not-found; registry-unreachable
   */
  requirePush(authorization: string | null, repository: Repository, digest: Digest): Promise<boolean>
  close(): Promise<void>
}

/** Only a yes is remembered, so that who was just given a right has it at once. */
const rememberMilliseconds = 60_000
const maxRemembered = 10_000

/** A registry that says nothing for so long cannot be reached. */
const answerMilliseconds = 20_000

/** It may look at a whole layer, once all of it has arrived, before it answers. */
const proxyMilliseconds = 15 * 60_000

export function upstreamRegistry(
  { upstream, ca, anonymous }: { upstream: string; ca: readonly string[]; anonymous: boolean },
  clock: () => number = Date.now,
): UpstreamRegistry {
  const trusted = [...systemCas(), ...ca]
  const dispatcher = new Agent({
    connect: { ca: trusted, timeout: answerMilliseconds },
    headersTimeout: proxyMilliseconds,
    bodyTimeout: proxyMilliseconds,
  })
  const remembered = new Map<string, { until: number; isKnown: boolean }>()

  const ask = async (method: Dispatcher.HttpMethod, path: string, authorization: string | null) => {
    try {
      const { statusCode, headers, body } = await request(new URL(`${upstream}${path}`), {
        method,
        dispatcher,
        headers: {
          accept: manifestAccept,
          ...(authorization !== null && { authorization }),
          ...(method === 'POST' && { 'content-length': '0' }),
        },
        signal: AbortSignal.timeout(answerMilliseconds),
      })
      await body.dump()
      return { status: statusCode, headers }
    } catch (cause) {
      // What the cause says of the network behind this server is for the log.
      throw new Refusal('registry-unreachable', 'The registry behind this server does not answer', { cause })
    }
  }

  /** Whether an upload can be started; one that was started is cancelled. */
  const canStart = async (authorization: string | null, repository: Repository): Promise<number> => {
    const { status, headers } = await ask('POST', `/v2/${repository}/blobs/uploads/`, authorization)
    const location = [headers.location].flat()[0] ?? ''
    const upload = location && URL.canParse(location, upstream) ? new URL(location, upstream) : null
    // Its place may be written for those who come by another name; where it leads to is this registry in any case.
    if (status === 202 && upload)
      await ask('DELETE', `${upload.pathname}${upload.search}`, authorization).catch(() => {})
    return status
  }

  /**
   * Whether everybody may push: credentials prove nothing there, the registry takes any. Only a clear no is one: whoever
   * could make the registry stumble at this question would be taken for known at the next.
   */
  const isOpen = async (repository: Repository): Promise<boolean> => {
    const status = await canStart(null, repository)
    if (status === 202) return true
    if (status === 401 || status === 403) return false
    throw refusalOf(status, null, repository)
  }

  const requireManifest = async (authorization: string | null, repository: Repository, digest: Digest) => {
    const { status } = await ask('HEAD', `/v2/${repository}/manifests/${digest}`, authorization)
    if (status === 200) return
    if (status === 404) throw new Refusal('not-found', `The registry has no ${digest} in ${repository}`)
    throw refusalOf(status, authorization, repository)
  }

  return {
    origin: new URL(upstream).origin,
    dispatcher,

    async challenges() {
      const { status, headers } = await ask('GET', '/v2/', null)
      if (status >= 500)
        throw new Refusal('registry-unreachable', `The registry behind this server answers ${status}`)
      return status === 401 ? [headers['www-authenticate'] ?? []].flat() : []
    },

    async requirePush(authorization, repository, digest) {
      const key = createHash('sha256')
        .update(JSON.stringify([authorization, upstream, repository]))
        .digest('base64')
      const now = clock()
      const before = remembered.get(key)
      if (before && before.until > now) {
        await requireManifest(authorization, repository, digest)
        return before.isKnown
      }
      remembered.delete(key)
      const isKnown = !(await isOpen(repository))
      if (!isKnown && !anonymous)
        throw new Refusal(
          'not-allowed',
          'The registry lets everybody push, and so cannot say who may sign: bring a token of this server',
        )
      if (isKnown) {
        const status = authorization === null ? 401 : await canStart(authorization, repository)
        if (status !== 202) throw refusalOf(status, authorization, repository)
      }
      await requireManifest(authorization, repository, digest)
      if (remembered.size >= maxRemembered) remembered.clear()
      remembered.set(key, { until: now + rememberMilliseconds, isKnown })
      return isKnown
    },

    close: () => dispatcher.destroy(),
  }
}

const manifestAccept = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')

function refusalOf(status: number, authorization: string | null, repository: Repository): Refusal {
  if (status === 401)
    return authorization === null
      ? new Refusal(
          'no-credentials',
          'Credentials are needed: those of the registry, or a token of this server',
        )
      : new Refusal('bad-credentials', `The registry does not take these credentials for ${repository}`)
  if (status === 403) return new Refusal('not-allowed', `The registry does not let you push to ${repository}`)
  return new Refusal('registry-unreachable', `The registry answered ${status} where a push would begin`)
}
