import type { FastifyError, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { may } from '../access/principal.ts'
import { withoutSecrets } from '../access/token.ts'
import type { Admit } from '../admission/admit.ts'
import type { Trail } from '../admission/trail.ts'
import { normaliseUrlPath, parseSlotPath } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import {
  type AuditEntry,
  type AuditEvent,
  type AuditQuery,
  type AuditRecord,
  type AuditTrail,
  auditEvents,
  type Door,
  type Origin,
} from '../storage/audit.ts'
import type { Authenticate } from './authenticate.ts'
import { Nullable } from './document.ts'
import { problemOf, remoteOf } from './problem.ts'
import { treePrefix } from './reads.ts'
import type { App } from './server.ts'
import { Whole } from './signatures.ts'

const extensionPrefix = '/extensions/v2/'

/** What is asked to be changed, or who asks for what is not open: every door of HTTP has its paths below one of these. */
const prefixes = ['/api/v1/', `/${treePrefix}`, extensionPrefix]

/** Of credentials that are not good for anything. */
const signInCodes = new Set(['bad-credentials', 'too-many-failures'])

/** Where a request came from. */
export function originOf(request: FastifyRequest): Origin {
  const { method, url, id } = request
  const isExtension = url.startsWith(extensionPrefix)
  const door = method === 'HEAD' ? 'GET' : (method as Door)
  return {
    door: isExtension && method === 'PUT' ? 'extension' : door,
    address: remoteOf(request),
    request: id,
  }
}

/**
 * The one place that knows of every refusal by HTTP, whatever the door: all that asks for a change, and credentials that
 * are not good for anything else.
 */
export function noteRefusal(trail: Trail, request: FastifyRequest, error: FastifyError | Error): void {
  const event = eventOf(request, error)
  if (event) trail.note(refusalOf(request, error, event))
}

/** What is there already is no change, and no refusal. */
export function notingPresent(admit: Admit, trail: Trail): Admit {
  return async (upload) => {
    const admitted = await admit(upload)
    const { actor, origin } = upload
    if (admitted.outcome === 'present') {
      const { id: signature, repository, digest, sha256 } = admitted.signature
      const { identity } = admitted
      trail.note({ event: 'present', actor, origin, repository, digest, identity, sha256, signature })
    }
    return admitted
  }
}

function eventOf({ method, url }: FastifyRequest, error: Error): AuditEvent | null {
  if (!prefixes.some((prefix) => url.startsWith(prefix))) return null
  const isRead = ['GET', 'HEAD', 'OPTIONS'].includes(method)
  if (isRead) return error instanceof Refusal && signInCodes.has(error.code) ? 'sign-in-refused' : null
  const isUpload = method === 'PUT' ? !url.startsWith('/api/') : /^\/api\/v1\/signatures(\?|$)/.test(url)
  return isUpload && method !== 'DELETE' ? 'refused' : 'order-refused'
}

function refusalOf(request: FastifyRequest, error: FastifyError | Error, event: AuditEvent): AuditEntry {
  const { code, detail } = problemOf(error)
  const query = (request.query ?? {}) as Record<string, unknown>
  return {
    event,
    actor: request.caller?.actor ?? null,
    origin: originOf(request),
    code,
    detail: withoutSecrets(detail),
    ...(typeof query.reason === 'string' && { reason: withoutSecrets(query.reason) }),
    ...wantedBy(request),
    ...(error instanceof Refusal ? error.about : {}),
  }
}

/** What the path names, before anything is known of the signature. */
function wantedBy({ url, query, params, subject }: FastifyRequest): Partial<AuditEntry> {
  if (subject) return { repository: subject.location.name, digest: subject.location.digest }
  const path = url.startsWith(`/${treePrefix}`) ? normaliseUrlPath(url) : null
  const location = path && parseSlotPath(path.slice(treePrefix.length))?.location
  if (location) return { repository: location.name, digest: location.digest }
  const { repository, digest } = (query ?? {}) as Record<string, unknown>
  const { id } = (params ?? {}) as { id?: string }
  return {
    ...(typeof repository === 'string' && { repository: withoutSecrets(repository) }),
    ...(typeof digest === 'string' && { digest: withoutSecrets(digest) }),
    ...(/^[0-9]{1,15}$/.test(id ?? '') && { signature: Number(id) }),
  }
}

export interface AuditOptions {
  storage: Pick<AuditTrail, 'audit'>
  authenticate: Authenticate
}

const maxPage = 1000

const Text = Nullable(Type.String())
const AuditDocument = Type.Object({
  id: Type.Integer(),
  time: Type.String({ description: 'RFC 3339; of the last, where there are several' }),
  since: Nullable(Type.String({ description: 'When the first of several came' })),
  event: Type.Enum([...auditEvents]),
  count: Type.Integer({ description: 'Equal events that this record stands for' }),
  door: Text,
  address: Nullable(Type.String({ description: 'Of the connection, or whom a trusted proxy names' })),
  request: Nullable(Type.String({ description: 'The id that messages in the log of the program have' })),
  actor: Text,
  repository: Text,
  digest: Text,
  identity: Text,
  sha256: Text,
  code: Nullable(Type.String({ description: 'Of the refusal' })),
  detail: Text,
  signature: Nullable(Type.Integer()),
  change: Nullable(Type.Integer({ description: 'The number of the change in the log' })),
  reason: Text,
})

const AuditPage = Type.Object({
  records: Type.Array(AuditDocument),
  next: Nullable(
    Type.Integer({
      description:
        'For `after`; null where this is the last page. A page may be short, or empty, and not be the last.',
    }),
  ),
})

/** The audit trail, for administrators alone: it has addresses. */
export function auditRoutes(app: App, { storage, authenticate }: AuditOptions): void {
  const Given = Type.Optional(Type.String())
  app.get(
    '/api/v1/audit',
    {
      schema: {
        summary: 'What was done and refused, and from where, for administrators',
        querystring: Type.Object(
          {
            actor: Given,
            address: Given,
            repository: Given,
            digest: Given,
            code: Given,
            from: Given,
            to: Given,
            event: Type.Optional(Type.Enum([...auditEvents])),
            order: Type.Optional(Type.Enum(['oldest', 'newest'])),
            after: Type.Optional(Whole),
            limit: Type.Optional(Whole),
          },
          { additionalProperties: false },
        ),
        response: { 200: AuditPage },
      },
      onRequest: async (request) => {
        const { principal } = await authenticate(request)
        if (!may(principal, 'admin')) throw new Refusal('not-allowed', `${principal.name} has no right admin`)
      },
    },
    async (request, reply) => {
      const { order, from, to, after, limit: wanted, ...named } = request.query
      const limit = Number(wanted ?? 100)
      if (limit < 1 || limit > maxPage)
        throw new Refusal('bad-request', `The parameter "limit" is from 1 to ${maxPage}`)
      const query: AuditQuery = {
        ...named,
        ...(from !== undefined && { from: parseTime('from', from) }),
        ...(to !== undefined && { to: parseTime('to', to) }),
        ...(after !== undefined && { after: Number(after) }),
        newestFirst: order === 'newest',
        limit,
      }
      const { records, next } = await storage.audit(query)
      reply.header('Cache-Control', 'no-store')
      return { records: records.map(auditDocument), next }
    },
  )
}

/** RFC 3339, or its date alone, in UTC. @throws Refusal bad-request */
export function parseTime(name: string, text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(time))
    throw new Refusal('bad-request', `"${name}" is a time such as 2026-11-26 or 2026-11-26T10:00:00Z`)
  return time
}

/** A record as programs read it. */
export function auditDocument({ time, since, ...record }: AuditRecord) {
  return {
    ...record,
    time: new Date(time).toISOString(),
    since: since === null ? null : new Date(since).toISOString(),
  }
}
