import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { may } from '../access/principal.ts'
import { parseDigest } from '../reference/digest.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { Query, Reading, StoredSignature } from '../storage/storage.ts'
import type { Authenticate } from './authenticate.ts'
import { SignatureDocument, signatureDocument } from './document.ts'
import type { App } from './server.ts'

export interface SignaturesOptions {
  storage: Pick<Reading, 'find' | 'list'>
  authenticate: Authenticate
  /** Whether asking takes the right to read. Slots stay open. */
  private: boolean
  origin(): string
}

const maxPage = 1000

/** Signatures read between two turns of the event loop: readers of slots must not wait for a page. */
const signaturesPerTurn = 20

const Page = Type.Object({
  signatures: Type.Array(SignatureDocument),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description: 'For `after`; null where this is the last page',
  }),
})

/** What is stored, as documents. */
export function signatureRoutes(app: App, options: SignaturesOptions): void {
  const { storage, origin } = options

  const document = (signature: StoredSignature) =>
    signatureDocument(
      signature,
      readSignature(signature.blob, { sigstoreJson: true }).claim.document,
      origin(),
    )

  /** What this caller may see: everything, where reads are not private. */
  const reader = async (request: FastifyRequest) => {
    if (!options.private) return { name: 'everybody', mayRead: () => true }
    const { principal } = await options.authenticate(request)
    return {
      name: principal.name,
      mayRead: (repository?: Repository) => may(principal, 'read', repository),
    }
  }

  app.get(
    '/api/v1/signatures',
    {
      schema: {
        querystring: Type.Object(
          {
            repository: Type.Optional(Type.String()),
            digest: Type.Optional(Type.String()),
            key: Type.Optional(Type.String({ pattern: '^(0x)?[0-9A-Fa-f]{16,64}$' })),
            after: Type.Optional(Type.Integer({ minimum: 0 })),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: maxPage })),
          },
          { additionalProperties: false },
        ),
        response: { 200: Page },
      },
    },
    async (request) => {
      const { repository, digest, key, after = 0, limit = 100 } = request.query
      const query: Query = { after, limit: limit + 1 }
      if (repository !== undefined) query.repository = parseRepository(repository)
      if (digest !== undefined) query.digest = parseDigest(digest)
      if (key !== undefined) query.key = key
      const { name, mayRead } = await reader(request)
      if (!mayRead(query.repository))
        throw new Refusal('not-allowed', `${name} has no right read:${query.repository ?? '**'}`)
      const found = await storage.list(query)
      const page = found.slice(0, limit)
      const signatures: SignatureDocument[] = []
      for (const signature of page) {
        if (signatures.length % signaturesPerTurn === signaturesPerTurn - 1) await nextTurn()
        signatures.push(document(signature))
      }
      return { signatures, next: found.length > limit ? (page.at(-1)?.id ?? null) : null }
    },
  )

  app.get(
    '/api/v1/signatures/:id',
    {
      schema: {
        params: Type.Object({ id: Type.Integer({ minimum: 1 }) }),
        response: { 200: SignatureDocument },
      },
    },
    async (request) => {
      const { mayRead } = await reader(request)
      const signature = await storage.find(request.params.id)
      // Who may not read it does not learn that it is there.
      if (!signature || !mayRead(signature.repository))
        throw new Refusal('not-found', `There is no signature ${request.params.id}`)
      return document(signature)
    },
  )
}
