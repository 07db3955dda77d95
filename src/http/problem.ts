import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { withoutSecrets } from '../access/token.ts'
import { plainAddress } from '../net/network-of.ts'
import { Refusal, type RefusalCode, refusalStatus } from '../refusal.ts'

export const problemType = 'application/problem+json'

/** RFC 9457. `code` is the member that programs match on. */
export interface Problem {
  type: 'about:blank'
  title: string
  status: number
  code: RefusalCode | 'internal'
  detail: string
}

/** Both ways to send a token; old scripts send Basic credentials only after a challenge. */
export const challenges = ['Basic realm="lookaside", charset="UTF-8"', 'Bearer realm="lookaside"']

/** Of a 503 or 429, in seconds: what the refusal says, or what is as good a guess as any. */
export function retryAfter(error: Error): string {
  return String((error instanceof Refusal && error.retrySeconds) || 1)
}

export function sendProblem(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const problem = answerProblem(error, request, reply)
  reply.type(problemType).send(Buffer.from(JSON.stringify(problem)))
}

/** Null where the connection is gone already. */
export function remoteOf({ ip }: Pick<FastifyRequest, 'ip'>): string | null {
  return ip === undefined ? null : plainAddress(ip)
}

/** Logs what went wrong, and sets the status and headers of the answer; what it says is to be sent in some form. */
export function answerProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): Problem {
  const problem = problemOf(error)
  if (problem.code === 'internal') request.log.error({ err: error }, 'a request failed')
  const { method, caller } = request
  const path = withoutSecrets(request.url.split('?', 1)[0] ?? '')
  const { status, code, detail } = problem
  request.refusedAs = code
  const level = status === 404 || status === 429 ? 'debug' : 'info'
  request.log[level](
    {
      method,
      path,
      status,
      code,
      detail: withoutSecrets(detail),
      actor: caller?.actor,
      remote: remoteOf(request),
    },
    'refused',
  )
  reply.code(problem.status).header('Cache-Control', 'no-store')
  if (problem.status === 401) reply.header('WWW-Authenticate', challenges)
  if (status === 503 || status === 429) reply.header('Retry-After', retryAfter(error))
  // Else the connection is closed in the middle of the body, and clients see that and no answer. Node reads on.
  if (problem.status === 413) reply.removeHeader('connection')
  return problem
}

/** What does not fit the schema of a route. */
export function badParameter(fault: FastifySchemaValidationError | undefined): Refusal {
  const name = fault?.instancePath.slice(1) || 'request'
  if (fault?.message === 'schema is false')
    return new Refusal('bad-request', `There is no parameter "${name}" here`)
  const { allowedValues } = (fault?.params ?? {}) as { allowedValues?: unknown[] }
  const expected = allowedValues ? `must be one of ${allowedValues.join(', ')}` : fault?.message
  return new Refusal('bad-request', `The parameter "${name}" ${expected ?? 'is not as it should be'}`)
}

/** What is no refusal is a fault of ours, and says nothing to the caller. */
export function problemOf(error: FastifyError | Error): Problem {
  if (error instanceof Refusal) return problem(error.code, error.message)
  const { code, statusCode = 500 } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return problem('too-large', 'The body is larger than a signature may be here')
  if (statusCode < 500) return problem('bad-request', error.message)
  return { ...problem('bad-request', 'The server failed; its log says why'), ...internal }
}

const internal = { status: 500, title: 'Internal Server Error', code: 'internal' } as const

export function problem(code: RefusalCode, detail: string): Problem {
  const status = refusalStatus[code]
  return { type: 'about:blank', title: STATUS_CODES[status] ?? '', status, code, detail }
}
