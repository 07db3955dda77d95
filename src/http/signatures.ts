import { setImmediate as nextTurn } from 'node:timers/promises'
import { Type } from 'typebox'
import { verdictNames } from '../openpgp/verdict.ts'
import { parseDigest } from '../reference/digest.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { Query, Reading, StoredSignature } from '../storage/storage.ts'
import { type Readers, requireRead } from './authenticate.ts'
import { SignatureDocument, signatureDocument } from './document.ts'
import type { App } from './server.ts'

export interface SignaturesOptions {
  storage: Pick<Reading, 'find' | 'list'>
  readers: Readers
  origin(): string
}

const maxPage = 1000

/** A page ends where its blobs or its claims come to so many bytes: what is read for it is many times as large. */
const maxPageBlobs = 2 * 1024 * 1024
const maxPageClaims = 256 * 1024

/** What is read between two turns of the event loop: readers of slots must not wait for a page. */
const claimsPerTurn = 8 * 1024

/** A whole number as it is written; whatever else would be made one (`1e0`, `true`) is a mistake of the caller. */
export const Whole = Type.String({ pattern: '^(0|[1-9][0-9]{0,14})$' })

const Page = Type.Object({
  signatures: Type.Array(SignatureDocument),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description:
      'For `after`; null where this is the last page. A page may be short, or empty, and not be the last.',
  }),
})

/** What is stored, as documents. */
export function signatureRoutes(app: App, options: SignaturesOptions): void {
  const { storage, readers, origin } = options

  const read = (signature: StoredSignature) => {
    const { claim, claimSize } = readSignature(signature.blob, { sigstoreJson: true })
    return { document: signatureDocument(signature, claim.document, origin()), claimSize }
  }

  app.get(
    '/api/v1/signatures',
    {
      schema: {
        summary: 'Signatures that are served, a page at a time',
        querystring: Type.Object(
          {
            repository: Type.Optional(Type.String()),
            digest: Type.Optional(Type.String()),
            key: Type.Optional(
              Type.String({ pattern: '^(0x)?([0-9A-Fa-f]{16}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$' }),
            ),
            verdict: Type.Optional(Type.Enum([...verdictNames])),
            after: Type.Optional(Whole),
            limit: Type.Optional(Whole),
          },
          { additionalProperties: false },
        ),
        response: { 200: Page },
      },
    },
    async (request) => {
      const { repository, digest, key, verdict } = request.query
      const limit = Number(request.query.limit ?? 100)
      if (limit < 1 || limit > maxPage)
        throw new Refusal('bad-request', `The parameter "limit" is from 1 to ${maxPage}`)
      const query: Query = {
        ...(verdict !== undefined && { verdict }),
        after: Number(request.query.after ?? 0),
        limit,
        maxBytes: maxPageBlobs,
      }
      if (repository !== undefined) query.repository = parseRepository(repository)
      if (digest !== undefined) query.digest = parseDigest(digest)
      if (key !== undefined) query.key = key.replace(/^0x/, '').toUpperCase()
      requireRead(await readers(request), query.repository)
      const { signatures: found, next } = await storage.list(query)
      const signatures: SignatureDocument[] = []
      let claims = 0
      let sinceTurn = 0
      for (const signature of found) {
        const { document, claimSize } = read(signature)
        signatures.push(document)
        claims += claimSize
        sinceTurn += claimSize
        if (claims >= maxPageClaims) break
        if (sinceTurn < claimsPerTurn) continue
        sinceTurn = 0
        await nextTurn()
      }
      return { signatures, next: signatures.length < found.length ? (signatures.at(-1)?.id ?? null) : next }
    },
  )

  app.get(
    '/api/v1/signatures/:id',
    {
      schema: {
        summary: 'One signature',
        params: Type.Object({ id: Whole }),
        response: { 200: SignatureDocument },
      },
    },
    async (request) => {
      const { mayRead } = await readers(request)
      const signature = await storage.find(Number(request.params.id))
      // Who may not read it does not learn that it is there.
      if (!signature || !mayRead(signature.repository))
        throw new Refusal('not-found', `There is no signature ${request.params.id}`)
      return read(signature).document
    },
  )
}
