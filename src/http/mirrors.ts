import { Type } from 'typebox'
import { lagSeconds, type MirrorStatus, mirrorStatuses } from '../mirror/status.ts'
import type { Sources } from '../storage/sources.ts'
import { type Readers, requireRead } from './authenticate.ts'
import { Nullable } from './document.ts'
import type { App } from './server.ts'

export interface MirrorsOptions {
  storage: Pick<Sources, 'sources'>
  readers: Readers
  clock(): number
}

const Time = Nullable(Type.String({ description: 'RFC 3339' }))

const MirrorDocument = Type.Object({
  from: Type.String(),
  prefix: Type.String({ description: 'Below which its signatures live here; empty: where they do there' }),
  kind: Nullable(
    Type.Enum(['feed', 'listing', 'images'], { description: 'Null until the source has answered' }),
  ),
  state: Type.Enum(['starting', 'copying', 'current', 'failing', 'held'], {
    description:
      'held: the source seems to have lost most of what it had, and nothing is taken away until that is confirmed',
  }),
  lagChanges: Nullable(
    Type.Integer({ description: 'Still to come; null: not known, or the source has no log' }),
  ),
  lagSeconds: Nullable(
    Type.Integer({ description: 'How old the copy is; 0 while it is known to be complete' }),
  ),
  lastChange: Time,
  lastContact: Time,
  lastCurrent: Time,
  lastError: Nullable(Type.String()),
  added: Type.Integer({ description: 'Like the other counts, since the process began that runs the mirror' }),
  present: Type.Integer(),
  removed: Type.Integer(),
  refused: Type.Record(Type.String(), Type.Integer(), { description: 'By the code of the refusal' }),
  refusals: Type.Array(Type.Object({ where: Type.String(), code: Type.String(), detail: Type.String() }), {
    description: 'The last ones',
  }),
})

/** How the mirrors of this data folder fare, whichever process runs them. */
export function mirrorRoutes(app: App, { storage, readers, clock }: MirrorsOptions): void {
  app.get(
    '/api/v1/mirrors',
    {
      schema: {
        summary: 'How mirrors fare',
        response: { 200: Type.Object({ mirrors: Type.Array(MirrorDocument) }) },
      },
    },
    async (request, reply) => {
      requireRead(await readers(request))
      reply.header('Cache-Control', 'no-store')
      return { mirrors: (await mirrorStatuses(storage)).map((status) => mirrorDocument(status, clock())) }
    },
  )
}

function mirrorDocument(status: MirrorStatus, now: number) {
  const { nextContact: _, ...shown } = status
  return {
    ...shown,
    refused: status.refused as Record<string, number>,
    lagSeconds: lagSeconds(status, now),
    lastChange: time(status.lastChange),
    lastContact: time(status.lastContact),
    lastCurrent: time(status.lastCurrent),
  }
}

function time(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString()
}
