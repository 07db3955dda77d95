import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { withoutSecrets } from '../access/token.ts'
import { Refusal, type RefusalCode, refusalStatus } from '../refusal.ts'
import { remoteOf, retryAfter } from './problem.ts'

/** How registries answer what they refuse (OCI distribution-spec, "Error Codes"; OpenShift's for signatures). */
interface RegistryError {
  status: number
  code: string
}

const byCode: Partial<Record<RefusalCode, RegistryError>> = {
  'no-credentials': { status: 401, code: 'UNAUTHORIZED' },
  'bad-credentials': { status: 401, code: 'UNAUTHORIZED' },
  'too-many-failures': { status: 429, code: 'TOOMANYREQUESTS' },
  'not-allowed': { status: 403, code: 'DENIED' },
  'not-trusted': { status: 403, code: 'DENIED' },
  'bad-reference': { status: 400, code: 'NAME_INVALID' },
  'name-too-long': { status: 400, code: 'NAME_INVALID' },
  'bad-digest': { status: 400, code: 'DIGEST_INVALID' },
  'not-found': { status: 404, code: 'MANIFEST_UNKNOWN' },
  'method-not-allowed': { status: 405, code: 'UNSUPPORTED' },
  'signature-exists': { status: 409, code: 'SIGNATURE_EXISTS' },
  'too-large': { status: 413, code: 'SIZE_INVALID' },
}

/** What clients of registries ask for before they send credentials. */
export const basicChallenge = 'Basic realm="lookaside", charset="UTF-8"'

/** Sends a refusal as a registry would; our code stands in `detail`. Whatever else is thrown is a fault, and is logged. */
export function sendRegistryError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { status, code, message, detail } = describe(error)
  request.refusedAs = refusalCodeOf(error, status)
  if (status >= 500) request.log.error({ err: error }, 'a request for a registry failed')
  else logRefusal(request, { status, code: error instanceof Refusal ? error.code : code, detail: message })
  if (status === 401 && !reply.hasHeader('www-authenticate')) reply.header('WWW-Authenticate', basicChallenge)
  if (status === 503 || status === 429) reply.header('Retry-After', retryAfter(error))
  // Else the connection is closed in the middle of the body, and clients see that and no answer.
  if (status === 413) reply.removeHeader('connection')
  reply
    .code(status)
    .header('Content-Type', 'application/json; charset=utf-8')
    .header('Cache-Control', 'no-store')
    .send(JSON.stringify({ errors: [{ code, message, detail }] }))
}

function logRefusal(
  request: FastifyRequest,
  refusal: { status: number; code: string; detail: string },
): void {
  const { method, url, caller } = request
  const path = withoutSecrets(url.split('?', 1)[0] ?? '')
  // Every client begins without credentials, and asks for signatures that are not there.
  const isUsual =
    refusal.status === 404 ||
    refusal.status === 429 ||
    (method === 'GET' && refusal.code === 'no-credentials')
  const detail = withoutSecrets(refusal.detail)
  request.log[isUsual ? 'debug' : 'info'](
    { method, path, ...refusal, detail, actor: caller?.actor, remote: remoteOf(request) },
    'refused',
  )
}

function refusalCodeOf(error: Error, status: number): RefusalCode | 'internal' {
  if (error instanceof Refusal) return error.code
  if (status >= 500) return 'internal'
  return status === 413 ? 'too-large' : 'bad-request'
}

function describe(error: FastifyError | Error): RegistryError & { message: string; detail: unknown } {
  if (error instanceof Refusal) {
    const status = refusalStatus[error.code]
    // Clients know no other status for a signature that is not taken.
    const known = byCode[error.code] ??
      (status === 422 || status === 400 ? { status: 400, code: 'SIGNATURE_INVALID' } : null) ?? {
        status,
        code: error.code.toUpperCase().replaceAll('-', '_'),
      }
    return { ...known, message: error.message, detail: { code: error.code } }
  }
  const { code, statusCode = 500, message } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return {
      status: 413,
      code: 'SIZE_INVALID',
      message: 'The body is larger than a signature may be',
      detail: {},
    }
  if (statusCode < 500) return { status: statusCode, code: 'UNSUPPORTED', message, detail: {} }
  return { status: statusCode, code: 'UNKNOWN', message: 'The server failed; its log says why', detail: {} }
}
