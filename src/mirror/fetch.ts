import { setTimeout as wait } from 'node:timers/promises'
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici'
import { isLoopback, requireProxyUrls, systemCas } from '../net/outgoing.ts'
import { Refusal } from '../refusal.ts'
import type { Fetch, Fetched } from './source.ts'
import { AnswerTooLong, SourceTrouble } from './trouble.ts'

export interface FetchSettings {
  /** The URL of the source, without a slash at its end. */
  from: string
  /** CAs in PEM that are trusted beside those of the system. */
  ca: readonly string[]
  /** Goes to the origin of `from` and nowhere else. */
  token: string | null
  userAgent: string
}

/** Requests under way at once, and the connections for them. */
const maxRequests = 4

const connectMilliseconds = 20_000

/** From the first byte sent to the last received, redirects included: an answer that only trickles ends there. */
const defaultPatience = 60_000

const maxRedirects = 3

/** However long a source asks to be left alone. */
const maxRetryAfterSeconds = 3600

/**
 * Reads from one source. Compression is not asked for, so that a small answer is no large one, and nothing leads to
 * another origin: redirects that do are errors.
 * @throws Refusal configuration
 */
export function newFetch(settings: FetchSettings): { fetch: Fetch; close(): Promise<void> } {
  const { from, token } = settings
  if (token !== null && from.startsWith('http:') && !isLoopback(from))
    throw new Refusal('configuration', `A token is not sent in the clear: use https, not ${from}`)
  const { origin } = new URL(from)
  const dispatcher = dispatcherOf(settings)
  const turn = turns(maxRequests)

  const ask = async (url: URL, headers: Record<string, string>, milliseconds: number, signal: AbortSignal) =>
    request(url, {
      dispatcher,
      signal,
      headersTimeout: milliseconds,
      bodyTimeout: milliseconds,
      headers: {
        ...headers,
        'user-agent': settings.userAgent,
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
    })

  const fetch: Fetch = async (path, options) => {
    const { maxBytes, headers = {}, base = from, patience = defaultPatience, signal } = options
    const start = urlBelow(base, path, origin)
    const done = await turn()
    const limit = AbortSignal.timeout(patience)
    const either = signal ? AbortSignal.any([signal, limit]) : limit
    try {
      let url = start
      for (let left = maxRedirects; ; left--) {
        const answer = await ask(url, headers, patience, either)
        const { location } = answer.headers
        if (!redirects.has(answer.statusCode) || typeof location !== 'string')
          return await read(answer, maxBytes)
        discard(answer.body)
        url = redirected(location, url, origin)
        if (left === 0) throw new SourceTrouble(`it redirects more than ${maxRedirects} times`)
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw explain(limit.aborted ? limit.reason : error, origin)
    } finally {
      done()
    }
  }

  return { fetch, close: () => dispatcher.destroy() }
}

function dispatcherOf({ from, ca }: FetchSettings): Dispatcher {
  const tls = { ca: [...systemCas(), ...ca], minVersion: 'TLSv1.2' as const }
  const connect = { ...tls, timeout: connectMilliseconds }
  // For this machine no proxy is used.
  if (isLoopback(from)) return new Agent({ connections: maxRequests, connect })
  requireProxyUrls(process.env)
  return new EnvHttpProxyAgent({ connections: maxRequests, connect, requestTls: tls })
}

/** A path that a source named must not lead out of what is copied. */
function urlBelow(base: string, path: string, origin: string): URL {
  const text = `${base}${path}`
  const url = URL.canParse(text) ? new URL(text) : null
  const root = `${new URL(base).href.replace(/\/+$/, '')}/`
  if (url && path.startsWith('/') && url.origin === origin && url.href.startsWith(root)) return url
  throw new SourceTrouble(`it names what is not below it: ${path.slice(0, 200)}`)
}

const redirects = new Set([301, 302, 303, 307, 308])

function redirected(location: string, from: URL, origin: string): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from.href) : null
  if (url && url.origin === origin && !url.username && !url.password) return url
  throw new SourceTrouble(
    `it redirects to another place, ${location.slice(0, 200)}: name that one as the source`,
  )
}

async function read(answer: Dispatcher.ResponseData, maxBytes: number): Promise<Fetched> {
  const { statusCode: status, body } = answer
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
  if (status === 429 || status >= 500) {
    discard(body)
    const retryAfterSeconds = readRetryAfter(headers['retry-after'])
    throw new SourceTrouble(`it answers ${status}`, { retryAfterSeconds })
  }
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') {
    discard(body)
    throw new SourceTrouble('it compresses its answer, which nobody has asked for')
  }
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop closes the connection.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new AnswerTooLong(maxBytes, { status, headers })
    chunks.push(chunk)
  }
  return { status, headers, body: Buffer.concat(chunks) }
}

/** Closes the connection rather than reading what may have no end. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => {})
  body.destroy()
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function readRetryAfter(text: string | undefined): number {
  if (text === undefined) return 0
  const seconds = /^[0-9]{1,9}$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), maxRetryAfterSeconds) : 0
}

const untrusted =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_SIGNATURE_FAILURE)/

function explain(error: NodeJS.ErrnoException, origin: string): Error {
  if (error instanceof SourceTrouble) {
    error.message = `${origin}: ${error.message}`
    return error
  }
  const { code = '' } = error
  if (untrusted.test(code))
    return new SourceTrouble(
      `The certificate of ${origin} is not signed by a CA that is trusted here: name its CA with ca`,
      { cause: error },
    )
  if (error.name === 'TimeoutError')
    return new SourceTrouble(`${origin} did not answer in time`, { cause: error })
  return new SourceTrouble(`${origin} cannot be asked: ${error.message || code}`, { cause: error })
}

/** Lets so many through at once; each says when it is done. */
function turns(max: number): () => Promise<() => void> {
  const queue: (() => void)[] = []
  let running = 0
  const leave = () => {
    const next = queue.shift()
    if (next) next()
    else running--
  }
  return async () => {
    if (running < max) running++
    else await new Promise<void>((resolve) => queue.push(resolve))
    return leave
  }
}

/** Ends early, without an error, where the work is to stop. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => {})
}
