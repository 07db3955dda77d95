import { Type } from 'typebox'
import { type Readiness, readinessProblems } from './readiness.ts'
import type { App } from './server.ts'

const ReadinessDocument = Type.Object({
  status: Type.Enum(['ok', 'degraded', 'unready']),
  head: Type.Union([Type.Integer(), Type.Null()], { description: 'The number of the last change' }),
  problems: Type.Array(
    Type.Object({
      code: Type.Enum(Object.keys(readinessProblems) as (keyof typeof readinessProblems)[]),
      effect: Type.Enum(['degraded', 'no-uploads', 'unready'], {
        description:
          'unready: clients are not served; no-uploads: clients are served what is there, and it cannot become more, or the tree falls behind; degraded: all is served',
      }),
      detail: Type.String(),
    }),
  ),
})

/** Probes: alive is who answers; ready is who can do all that it is for. */
export function healthRoutes(app: App, readiness: Readiness): void {
  app.get(
    '/healthz',
    {
      schema: {
        summary: 'Whether the process lives',
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether the server is ready, and why not',
        querystring: Type.Object(
          {
            for: Type.Optional(
              Type.Literal('reads', { description: 'Only what keeps clients from reading counts' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: ReadinessDocument, 503: ReadinessDocument },
      },
    },
    async (request, reply) => {
      const { head, problems } = await readiness()
      const counts = request.query.for === 'reads' ? ['unready'] : ['unready', 'no-uploads']
      const isReady = !problems.some(({ effect }) => counts.includes(effect))
      const status = !isReady ? 'unready' : problems.length ? 'degraded' : 'ok'
      reply.code(isReady ? 200 : 503).header('Cache-Control', 'no-store')
      return { status, head, problems } as const
    },
  )
}
