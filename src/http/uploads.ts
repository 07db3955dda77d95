import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Admit } from '../admission/admit.ts'
import { parseRepository } from '../reference/repository.ts'
import { normaliseUrlPath, parseSlotPath } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { originOf } from './audit.ts'
import type { Authenticate, Caller } from './authenticate.ts'
import { SignatureDocument, signatureDocument, slotUrl } from './document.ts'
import { treePrefix } from './reads.ts'
import type { App } from './server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null
  }
}

export interface UploadsOptions {
  admit: Admit
  authenticate: Authenticate
  maxBytes: number
  origin(): string
}

/** The doors for signers: both hand the body to `admit`, and say where it went. */
export function uploadRoutes(app: App, { admit, authenticate, maxBytes, origin }: UploadsOptions): void {
  app.register(async (routes: App) => {
    // The body is the blob, whatever its type is called; credentials are asked for before it is read.
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBytes }, (_request, body, done) =>
      done(null, body),
    )
    routes.addHook('onRequest', async (request) => {
      request.headers['content-type'] = 'application/octet-stream'
      request.caller = await authenticate(request)
    })

    const upload = async (
      request: FastifyRequest,
      reply: FastifyReply,
      wanted: Pick<Parameters<Admit>[0], 'repository' | 'digest'>,
    ) => {
      const { principal, actor } = request.caller as Caller
      const bytes = (request.body as Buffer | undefined) ?? new Uint8Array()
      const from = originOf(request)
      const { outcome, signature, claim, warnings } = await admit({
        ...wanted,
        bytes,
        principal,
        actor,
        origin: from,
      })
      request.admitted = outcome
      const { id, repository, digest, slot } = signature
      request.log.info(
        { outcome, id, repository, digest, slot, actor, ...(warnings.length && { warnings }) },
        'upload',
      )
      reply.code(outcome === 'added' ? 201 : 200).header('Location', slotUrl(signature, origin()))
      const document = signatureDocument(signature, claim, origin())
      return warnings.length ? { ...document, warnings } : document
    }

    routes.post(
      '/api/v1/signatures',
      {
        schema: {
          summary: 'Upload a signature: the body is its bytes; 200 where it is there already',
          querystring: Type.Object(
            { repository: Type.Optional(Type.String()) },
            { additionalProperties: false },
          ),
          response: { 200: SignatureDocument, 201: SignatureDocument },
        },
      },
      async (request, reply) => {
        const { repository } = request.query
        return upload(request, reply, {
          repository: repository === undefined ? null : parseRepository(repository),
          digest: null,
        })
      },
    )

    routes.put('/signatures/*', async (request, reply) => {
      const path = normaliseUrlPath(request.raw.url ?? '')
      const slotPath = path?.startsWith(treePrefix) ? parseSlotPath(path.slice(treePrefix.length)) : null
      if (slotPath?.location.kind !== 'repository')
        throw new Refusal(
          'not-found',
          'Signatures are put at /signatures/<repository>@<algorithm>=<hex>/signature-<N>',
        )
      const { name, digest } = slotPath.location
      return upload(request, reply, { repository: name, digest })
    })
  })
}
