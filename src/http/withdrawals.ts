import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Order, Selection, Withdrawals, Withdrawn } from '../admission/withdraw.ts'
import { parseDigest } from '../reference/digest.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Reading } from '../storage/storage.ts'
import { originOf } from './audit.ts'
import { type Authenticate, type Caller, type Readers, requireRead } from './authenticate.ts'
import { Nullable, SignatureDocument, signatureDocument } from './document.ts'
import type { App } from './server.ts'
import { Whole } from './signatures.ts'

export interface WithdrawalsOptions {
  withdrawals: Withdrawals
  storage: Pick<Reading, 'bannedKeys'>
  authenticate: Authenticate
  readers: Readers
  origin(): string
}

const WithdrawnDocument = {
  withdrawn: Type.Array(
    Type.Object({
      id: Type.Integer(),
      repository: Type.String(),
      digest: Type.String(),
      identity: Type.String(),
      change: Type.Integer({ description: 'The number of the change that withdrew it' }),
    }),
    { description: 'Those that were not withdrawn before' },
  ),
  next: Nullable(Type.Integer({ description: 'For `after`, where there was more than one answer takes' })),
}

const BannedDocument = {
  fingerprint: Type.String(),
  time: Type.String({ description: 'RFC 3339' }),
  actor: Nullable(Type.String()),
  reason: Nullable(Type.String()),
}

const Reason = { reason: Type.Optional(Type.String()) }
const query = <Properties extends Parameters<typeof Type.Object>[0]>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false })

/** Taking signatures back, letting them in again, and banning keys. */
export function withdrawalRoutes(app: App, options: WithdrawalsOptions): void {
  const { withdrawals, storage, authenticate, readers, origin } = options

  app.get(
    '/api/v1/banned-keys',
    {
      schema: {
        summary: 'Keys whose signatures are refused',
        response: { 200: Type.Object({ keys: Type.Array(Type.Object(BannedDocument)) }) },
      },
    },
    async (request, reply) => {
      const reader = await readers(request)
      requireRead(reader)
      reply.header('Cache-Control', 'no-store')
      const keys = await storage.bannedKeys()
      return {
        keys: keys.map(({ fingerprint, time, actor, reason }) => ({
          fingerprint,
          time: date(time),
          actor: reader.mayReadActors ? actor : null,
          reason: reader.mayReadActors ? reason : null,
        })),
      }
    },
  )

  app.register(async (routes: App) => {
    // Everything is said in the URL; clients that send a body or a type all the same are not refused for it.
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: 1024 }, (_request, _body, done) =>
      done(null),
    )
    routes.addHook('onRequest', async (request) => {
      request.headers['content-type'] = 'application/octet-stream'
      request.caller = await authenticate(request)
    })

    const order = (request: FastifyRequest, reason = ''): Order => {
      const { principal, actor } = request.caller as Caller
      return { principal, actor, origin: originOf(request), reason }
    }

    const tell = (request: FastifyRequest, { reason, actor }: Order, { withdrawn }: Withdrawn) => {
      for (const { id, repository, digest, change } of withdrawn)
        request.log.info({ id, repository, digest, change, actor, reason }, 'withdrawn')
    }

    /** Who may not read everything does not learn of what is not his. */
    const hiding = async <Result>(request: FastifyRequest, id: string, work: Promise<Result>) => {
      try {
        return await work
      } catch (error) {
        const isRight = error instanceof Refusal && error.code === 'not-allowed'
        if (isRight && !(await readers(request)).mayRead())
          throw new Refusal('not-found', `There is no signature ${id}`)
        throw error
      }
    }

    routes.delete(
      '/api/v1/signatures/:id',
      {
        schema: {
          summary: 'Withdraw a signature',
          params: Type.Object({ id: Whole }),
          querystring: query(Reason),
          response: { 200: Type.Object(WithdrawnDocument) },
        },
      },
      async (request) => {
        const { id } = request.params
        const by = order(request, request.query.reason)
        const work = withdrawals.withdraw({ ...by, which: { id: Number(id) } })
        const done = await hiding(request, id, work)
        tell(request, by, done)
        return done
      },
    )

    routes.delete(
      '/api/v1/signatures',
      {
        schema: {
          summary: 'Withdraw signatures of an image, or by a key',
          querystring: query({
            ...Reason,
            repository: Type.Optional(Type.String()),
            digest: Type.Optional(Type.String()),
            key: Type.Optional(Type.String()),
            after: Type.Optional(Whole),
          }),
          response: { 200: Type.Object(WithdrawnDocument) },
        },
      },
      async (request) => {
        const { reason, after = '0', ...named } = request.query
        const by = order(request, reason)
        const done = await withdrawals.withdraw({ ...by, which: selection(named), after: Number(after) })
        tell(request, by, done)
        return done
      },
    )

    routes.post(
      '/api/v1/signatures/:id/reinstate',
      {
        schema: {
          summary: 'Let a withdrawn signature in again',
          params: Type.Object({ id: Whole }),
          querystring: query(Reason),
          response: { 200: SignatureDocument },
        },
      },
      async (request) => {
        const { id } = request.params
        const by = order(request, request.query.reason)
        const work = withdrawals.reinstate({ ...by, id: Number(id) })
        const { outcome, signature, claim, warnings } = await hiding(request, id, work)
        const { repository, digest, slot } = signature
        const { actor } = by
        request.log.info(
          { outcome, id: signature.id, repository, digest, slot, actor, reason: by.reason },
          'reinstated',
        )
        const document = signatureDocument(signature, claim, origin())
        return warnings.length ? { ...document, warnings } : document
      },
    )

    const Key = Type.Object({ fingerprint: Type.String() })

    routes.put(
      '/api/v1/banned-keys/:fingerprint',
      {
        schema: {
          summary: 'Refuse the signatures of a key from now on, and withdraw those that are here',
          params: Key,
          querystring: query(Reason),
          response: { 200: Type.Object({ ...BannedDocument, ...WithdrawnDocument }) },
        },
      },
      async (request) => {
        const fingerprint = fingerprintOf(request.params.fingerprint)
        const by = order(request, request.query.reason)
        const banned = await withdrawals.ban({ ...by, fingerprint })
        request.log.info({ fingerprint, actor: by.actor, reason: by.reason }, 'key banned')
        tell(request, by, banned)
        return { ...banned, time: date(banned.time) }
      },
    )

    routes.delete(
      '/api/v1/banned-keys/:fingerprint',
      { schema: { summary: 'Lift the ban of a key', params: Key, response: { 200: Key } } },
      async (request) => {
        const fingerprint = fingerprintOf(request.params.fingerprint)
        const { principal, actor, origin } = order(request)
        await withdrawals.unban({ principal, actor, origin, fingerprint })
        request.log.info({ fingerprint, actor }, 'ban lifted')
        return { fingerprint }
      },
    )
  })
}

function fingerprintOf(text: string): string {
  return text.replace(/^0x/, '').toUpperCase()
}

/** Nothing that a forgotten parameter would make much larger than was meant. */
function selection(named: {
  repository?: string
  digest?: string
  key?: string
}): Exclude<Selection, { id: number }> {
  const { key, repository, digest } = named
  if (key !== undefined && digest === undefined)
    return {
      key: fingerprintOf(key),
      ...(repository !== undefined && { repository: parseRepository(repository) }),
    }
  if (key === undefined && repository !== undefined && digest !== undefined)
    return { repository: parseRepository(repository), digest: parseDigest(digest) }
  throw new Refusal(
    'bad-request',
    'Say what to withdraw: repository and digest, or key, or key and repository; or name one by its number in the path',
  )
}

function date(time: number): string {
  return new Date(time).toISOString()
}
