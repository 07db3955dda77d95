import { setImmediate as nextTurn } from 'node:timers/promises'
import { Type } from 'typebox'
import { parseLocation } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import type { Reading } from '../storage/storage.ts'
import { type Readers, requireRead } from './authenticate.ts'
import { Nullable } from './document.ts'
import type { Missed, MissedTop } from './missed.ts'
import type { Processes } from './processes.ts'
import type { App } from './server.ts'
import { Whole } from './signatures.ts'

export interface WantedOptions {
  storage: Pick<Reading, 'slotHashes'>
  missed: MissedTop
  processes: Processes
  readers: Readers
}

const maxWanted = 500
const question = 'wanted'

const WantedDocument = Type.Object({
  wanted: Type.Array(
    Type.Object({
      repository: Nullable(Type.String({ description: 'Null where readers know the digest alone' })),
      digest: Type.String(),
      requests: Type.Integer({ description: 'An estimate: how often it was asked for' }),
      since: Type.String({ description: 'RFC 3339: from when on that was counted' }),
      last: Type.String({ description: 'RFC 3339: about when it was last asked for' }),
    }),
    { description: 'The most wanted first' },
  ),
})

/** What readers ask for most, and nobody has signed: as far as the processes that answer now have seen. */
export function wantedRoutes(app: App, { storage, missed, processes, readers }: WantedOptions): void {
  processes.answer(question, () => missed.top())

  app.get(
    '/api/v1/wanted',
    {
      schema: {
        summary: 'What readers ask for most, and has no signature',
        querystring: Type.Object({ limit: Type.Optional(Whole) }, { additionalProperties: false }),
        response: { 200: WantedDocument },
      },
    },
    async (request, reply) => {
      const limit = Number(request.query.limit ?? 50)
      if (limit < 1 || limit > maxWanted)
        throw new Refusal('bad-request', `The parameter "limit" is from 1 to ${maxWanted}`)
      requireRead(await readers(request))
      reply.header('Cache-Control', 'no-store')
      const answers = await processes.ask(question)
      const wanted = []
      for (const { path, requests, since, last } of together(
        answers.map(({ answer }) => answer as Missed[] | null),
      )) {
        if (wanted.length >= limit) break
        const location = parseLocation(path)
        // It may have been signed since.
        if (!location || (await storage.slotHashes(location)).length) continue
        const { kind, name, digest } = location
        wanted.push({
          repository: kind === 'repository' ? name : null,
          digest,
          requests,
          since: new Date(since).toISOString(),
          last: new Date(last).toISOString(),
        })
        await nextTurn()
      }
      return { wanted }
    },
  )
}

/** What several processes have seen of the same. */
function together(seen: (Missed[] | null)[]): Missed[] {
  const byPath = new Map<string, Missed>()
  for (const missed of seen.flatMap((list) => list ?? [])) {
    const found = byPath.get(missed.path) ?? { ...missed, requests: 0 }
    byPath.set(missed.path, {
      path: missed.path,
      requests: found.requests + missed.requests,
      since: Math.min(found.since, missed.since),
      last: Math.max(found.last, missed.last),
    })
  }
  return [...byPath.values()].sort((one, other) => other.requests - one.requests)
}
