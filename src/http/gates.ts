import { Type } from 'typebox'
import type { Gates } from '../admission/gates.ts'
import { verdictNames } from '../openpgp/verdict.ts'
import { parseDigest } from '../reference/digest.ts'
import { type ImageReference, identityOf, parseReference } from '../reference/reference.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { type Readers, requireRead } from './authenticate.ts'
import { Nullable } from './document.ts'
import type { App } from './server.ts'

export interface GatesOptions extends Gates {
  readers: Readers
  /** Where the signatures of an image are kept, or why nowhere here. */
  repositoryOf(image: ImageReference): Repository | Refusal
}

const Signer = {
  slot: Type.Integer(),
  fingerprint: Nullable(Type.String()),
  primaryFingerprint: Nullable(Type.String()),
  userId: Nullable(Type.String()),
}

const GateDocument = Type.Object({
  gate: Type.String(),
  index: Type.Enum(['ignored', 'required'], {
    description: 'Whether the index of a multi-architecture image must pass like its children',
  }),
  image: Type.String(),
  digest: Type.String(),
  scope: Type.String({ description: 'The place in the policy that asks something of the image' }),
  passed: Type.Boolean(),
  signatures: Type.Integer({ description: 'How many were looked at' }),
  requirements: Type.Array(
    Type.Object({
      type: Type.String(),
      place: Type.String(),
      met: Type.Boolean(),
      reason: Type.Optional(Type.String({ description: 'Why it is not met' })),
      atLeast: Type.Optional(Type.Integer({ description: 'How many keys a threshold asks for' })),
      by: Type.Array(Type.Object({ ...Signer, created: Type.String({ description: 'RFC 3339' }) })),
      wanted: Type.Optional(
        Type.Array(Type.Object({ fingerprint: Type.String(), userId: Nullable(Type.String()) }), {
          description: 'Where it is not met: the keys of which a signature would help',
        }),
      ),
      tried: Type.Array(
        Type.Object({
          ...Signer,
          created: Nullable(Type.String({ description: 'RFC 3339' })),
          reasons: Type.Array(Type.String(), { description: 'Each is why it does not count' }),
          unverifiedKey: Nullable(
            Type.String({ description: 'The key that it names; anybody can write such a thing' }),
          ),
          verdict: Nullable(Type.Enum([...verdictNames])),
          claim: Type.Object({ reference: Type.String(), digest: Type.String() }),
        }),
      ),
    }),
  ),
})

/** Does an image pass a gate: 200 either way, and `passed` says it. */
export function gateRoutes(
  app: App,
  { ask, readers, repositoryOf }: Pick<GatesOptions, 'ask' | 'readers' | 'repositoryOf'>,
): void {
  app.get(
    '/api/v1/gates/:name',
    {
      schema: {
        summary: 'Whether an image passes a gate, and what it lacks',
        params: Type.Object({ name: Type.String() }),
        querystring: Type.Object(
          { image: Type.String(), digest: Type.Optional(Type.String()) },
          { additionalProperties: false },
        ),
        response: { 200: GateDocument },
      },
    },
    async (request, reply) => {
      const named = parseReference(request.query.image)
      const digest = digestOf(named, request.query.digest)
      const repository = repositoryOf(named)
      requireRead(await readers(request), repository instanceof Refusal ? undefined : repository)
      reply.header('Cache-Control', 'no-store')
      return ask({ gate: request.params.name, image: identityOf(named, digest), digest })
    },
  )
}

function digestOf({ digest }: ImageReference, asked: string | undefined) {
  if (asked === undefined) {
    if (digest) return digest
    throw new Refusal('bad-request', 'Say which manifest is meant: image=NAME:TAG@DIGEST, or digest=DIGEST')
  }
  const parsed = parseDigest(asked)
  if (digest && digest !== parsed)
    throw new Refusal('bad-request', `The digest is ${digest} or ${parsed}, not both`)
  return parsed
}
