import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { proxyOptions, systemCas } from '../net/outgoing.ts'
import type { RegistryCertificates } from './certs-d.ts'

export interface HttpsRequest {
  method?: 'GET' | 'HEAD' | 'POST'
  headers?: Record<string, string | readonly string[]>
  /** A value of Authorization. It goes to the origin of the URL alone. */
  authorization?: string | null
  body?: string
  /** A longer answer is an error. */
  maxBytes: number
}

export interface HttpsAnswer {
  /** What answered in the end. */
  url: URL
  status: number
  headers: IncomingHttpHeaders
  /** The values of WWW-Authenticate. */
  challenges: string[]
  body: Buffer
}

/**
 * @throws Error with a sentence that helps a person act, for whatever keeps the answer from arriving; Refusal configuration
 * where a proxy is named by what is no URL
 */
export type Https = (url: URL, request: HttpsRequest) => Promise<HttpsAnswer>

/** As many as net/http of Go follows (`defaultCheckRedirect`). */
const maxRedirects = 10

/** From the first byte sent to the last received, redirects included: an answer that only trickles ends there. */
const defaultMilliseconds = 60_000

/**
 * Asks servers over HTTPS and nothing else. Redirects of GET and HEAD are followed, but credentials do not go along to another
 * origin, nor come back; a POST carries credentials in its body and is not redirected. A client certificate is shown to
 * `origin` alone. For this machine no proxy is used, as in Go.
 */
export function newHttps({
  origin,
  certificates: { ca, clients },
  userAgent,
  env,
  milliseconds = defaultMilliseconds,
}: {
  origin: string
  certificates: RegistryCertificates
  userAgent: string
  env: NodeJS.ProcessEnv
  milliseconds?: number
}): Https {
  const trusted = [...systemCas(), ...ca]
  const agents = new Map<string, Agent>()

  const agentFor = (url: URL): Agent => {
    const known = agents.get(url.origin)
    if (known) return known
    const agent = new Agent({
      keepAlive: true,
      ca: trusted,
      minVersion: 'TLSv1.2',
      ...(url.origin === origin && clients.length > 0 && pairs(clients)),
      ...proxyOptions(url, env),
    })
    agents.set(url.origin, agent)
    return agent
  }

  return async (start, { method = 'GET', headers = {}, authorization = null, body, maxBytes }) => {
    const signal = AbortSignal.timeout(milliseconds)
    let credentials = authorization
    let url = start
    for (let left = maxRedirects; ; left--) {
      const options = {
        method,
        agent: agentFor(url),
        signal,
        headers: {
          ...headers,
          'user-agent': userAgent,
          ...(credentials !== null && { authorization: credentials }),
        },
      }
      const answer = await receive(url, options, body, maxBytes).catch((error) => {
        throw explain(signal.aborted ? signal.reason : error, url)
      })
      const next = redirectOf(answer)
      if (!next) return answer
      if (method === 'POST')
        throw new Error(`${url.host} answers credentials with a redirect, which is not followed`)
      if (left === 0) throw new Error(`${start.host} redirects more than ${maxRedirects} times`)
      if (next.origin !== url.origin) credentials = null
      url = next
    }
  }
}

export function isHttps(url: URL): boolean {
  return url.protocol === 'https:' && url.username === '' && url.password === ''
}

function pairs(clients: RegistryCertificates['clients']): { cert: string[]; key: string[] } {
  return { cert: clients.map(({ certificate }) => certificate), key: clients.map(({ key }) => key) }
}

/** @throws where it leads to what is not HTTPS: the manifest, and what is known of the user, would go in the clear */
function redirectOf({ url, status, headers: { location } }: HttpsAnswer): URL | null {
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return null
  const next = URL.canParse(location, url.href) ? new URL(location, url.href) : null
  if (next && isHttps(next)) return next
  throw new Error(`${url.host} redirects to ${location.slice(0, 200)}, which is no https address`)
}

function receive(
  url: URL,
  options: { method: string; agent: Agent; signal: AbortSignal; headers: object },
  body: string | undefined,
  maxBytes: number,
): Promise<HttpsAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options as Parameters<typeof request>[1], (response) => {
      const { statusCode: status = 0, headers, headersDistinct } = response
      const challenges = headersDistinct['www-authenticate'] ?? []
      readBody(response, maxBytes).then((body) => resolve({ url, status, headers, challenges, body }), reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop closes the connection.
  for await (const chunk of response) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`its answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const untrusted =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_SIGNATURE_FAILURE)/

function explain(error: NodeJS.ErrnoException, { host }: URL): Error {
  const { code = '' } = error
  if (untrusted.test(code)) {
    return new Error(
      `The certificate of ${host} is not signed by a CA that is trusted here: put the CA in ` +
        `/etc/containers/certs.d/${host}/ca.crt, or name it with --registry-ca`,
      { cause: error },
    )
  }
  if (error.name === 'TimeoutError') return new Error(`${host} did not answer in time`, { cause: error })
  return new Error(`${host} cannot be asked: ${error.message || code}`, { cause: error })
}
