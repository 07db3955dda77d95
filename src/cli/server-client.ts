import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { proxyOptions, systemCas } from '../net/outgoing.ts'
import { printable } from '../printable.ts'
import { Refusal, type RefusalCode, refusalStatus } from '../refusal.ts'
import { explainFailure } from './network-failure.ts'
import type { ServerAccess } from './server-options.ts'
import { version } from './version.ts'

export interface ServerRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** From the root of the server. */
  path: string
  query?: Record<string, string | undefined>
  body?: Uint8Array
}

/** What the server has against a request. `detail` is fit to be printed; `code` is null where it gave none. */
export interface Problem {
  status: number
  code: string | null
  detail: string
}

export type Answer = ({ document: Record<string, unknown>; status: number } | { problem: Problem }) & {
  /** The answer to an earlier attempt was lost: the server may have done before what this answer finds done. */
  afterLost?: true
}

/**
 * Sends a request, and again where the server was busy or the connection broke: every request can be repeated, uploads
 * because a signature that is there is not added again, withdrawals because what is withdrawn stays so.
 * @returns the document of a 2xx, or the problem of a 4xx
 * @throws Refusal or Error for any other status, and for what keeps the answer from arriving
 */
export type ServerClient = (request: ServerRequest) => Promise<Answer>

/** Uploads at once; as many connections are opened. */
export const concurrency = 16

/** From the first byte sent to the last received. */
const defaultRequestMilliseconds = 60_000

/** A page of the largest claims a server takes stays below it. */
const maxAnswerBytes = 256 * 1024 * 1024

const maxAttempts = 5
const firstPauseMilliseconds = 250
const maxPauseMilliseconds = 30_000

/** A server that is full, or a proxy whose server is being restarted. */
const passingStatuses = [502, 503, 504]

/** Of those, what says that nothing was done. Behind the others a server may have done what it was asked. */
const undoneStatus = 503

export interface ClientTiming {
  requestMilliseconds?: number
  wait?(milliseconds: number): Promise<unknown>
  /** From 0 to 1. */
  random?(): number
}

/** @throws Refusal configuration, before anything is sent */
export function serverClient(access: ServerAccess, timing: ClientTiming = {}): ServerClient {
  const request = requester(access, timing)
  return async (asked) => {
    const answer = await request(asked)
    return { ...read(answer, access.url), ...(answer.afterLost && { afterLost: true }) }
  }
}

/**
 * Reads what is at a path of the tree, as clients do; null where it is 404.
 * @throws for any other status, at which clients fail too
 */
export function slotReader(access: ServerAccess): (path: string) => Promise<Uint8Array | null> {
  const request = requester(access, {})
  return async (path) => {
    const { status, body } = await request({ method: 'GET', path })
    if (status === 200) return body
    if (status === 404) return null
    throw new Error(`${access.url}${path} answered ${status}; clients take only 200 and 404`)
  }
}

function requester(
  access: ServerAccess,
  timing: ClientTiming,
): (request: ServerRequest) => Promise<RawAnswer & { afterLost: boolean }> {
  const { requestMilliseconds = defaultRequestMilliseconds, wait = sleep, random = Math.random } = timing
  const { url } = access
  const send = url.startsWith('https:') ? httpsRequest : httpRequest
  const agent = agentOf(access)
  let wasAnswered = false

  const attempt = async ({ method, path, query = {}, body }: ServerRequest): Promise<RawAnswer> => {
    const headers = {
      'user-agent': `lookaside/${version}`,
      accept: 'application/json',
      ...(access.token !== null && { authorization: `Bearer ${access.token}` }),
      ...(body && { 'content-type': 'application/octet-stream', 'content-length': body.length }),
    }
    const signal = AbortSignal.timeout(requestMilliseconds)
    try {
      const target = `${url}${path}${queryOf(query)}`
      const answer = await receive(send, target, { method, headers, agent, signal }, body)
      wasAnswered = true
      return answer
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  }

  return async (request) => {
    let afterLost = false
    for (let left = maxAttempts - 1, pause = firstPauseMilliseconds; ; left--, pause *= 2) {
      const answer = await attempt(request).catch((error) => {
        if (!(left && isPassing(error, wasAnswered))) throw explainFailure(error, access)
        afterLost ||= error.code !== 'ECONNREFUSED'
        return null
      })
      if (answer && !(left && passingStatuses.includes(answer.status))) return { ...answer, afterLost }
      if (answer) afterLost ||= answer.status !== undoneStatus
      const atLeast = Math.min(maxPauseMilliseconds, (answer?.retryAfter ?? 0) * 1000)
      await wait(atLeast + pause * random())
    }
  }
}

/** A refusal with its code where this program knows it. */
export function problemError({ status, code, detail }: Problem): Error {
  if (code !== null && Object.hasOwn(refusalStatus, code) && refusalStatus[code as RefusalCode] === status) {
    return new Refusal(code as RefusalCode, detail)
  }
  return new Error(`The server answered ${status}${code === null ? '' : ` (${code})`}: ${detail}`)
}

function agentOf({ url, ca, env }: ServerAccess): HttpAgent {
  const options = {
    keepAlive: true,
    maxSockets: concurrency,
    // A token for this machine must not pass through another one.
    ...proxyOptions(url, env),
  }
  if (url.startsWith('http:')) return new HttpAgent(options)
  const trusted = ca?.pem ?? systemCas()
  return new HttpsAgent({ ...options, ca: trusted, minVersion: 'TLSv1.2' })
}

function queryOf(query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length ? `?${new URLSearchParams(given)}` : ''
}

interface RawAnswer {
  status: number
  body: Buffer
  location: string | undefined
  /** Seconds. */
  retryAfter: number
}

function receive(
  send: typeof httpRequest,
  url: string,
  options: RequestOptions,
  body: Uint8Array | undefined,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let isAnswered = false
    const request = send(url, options, (response) => {
      isAnswered = true
      readBody(response).then((body) => {
        const { location, 'retry-after': retryAfter = '' } = response.headers
        const seconds = /^[0-9]{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0
        resolve({ status: response.statusCode ?? 0, body, location, retryAfter: seconds })
      }, reject)
    })
    // A server may answer before it has read all, and close; its answer is what counts.
    request.on('error', (error) => isAnswered || reject(error))
    request.end(body)
  })
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new Error('The answer of the server does not end')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A server that was never there is a mistake of the caller; one that has gone may be on its way back. */
function isPassing(error: unknown, wasAnswered: boolean): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE' || (code === 'ECONNREFUSED' && wasAnswered)
}

function read({ status, body, location }: RawAnswer, url: string): Answer {
  const document = parseObject(body)
  if (status >= 200 && status < 300) {
    if (!document)
      throw new Error(`${url} is not a lookaside server: it answered ${status} without a JSON document`)
    return { document, status }
  }
  if (location !== undefined && status >= 300 && status < 400) {
    throw new Error(`${url} answered ${status}, and leads to ${printable(location)}: name that server`)
  }
  const { code, detail } = document ?? {}
  const problem = {
    status,
    code: typeof code === 'string' && /^[a-z-]{1,64}$/.test(code) ? code : null,
    detail: typeof detail === 'string' ? printable(detail) : 'there was no explanation',
  }
  if (status >= 400 && status < 500) return { problem }
  throw problemError(problem)
}

function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
