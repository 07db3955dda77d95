import { STATUS_CODES } from 'node:http'
import fastifySwagger from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import { Type } from 'typebox'
import { refusalStatus } from '../refusal.ts'
import { problemType } from './problem.ts'
import type { App } from './server.ts'

export const apiPrefix = '/api/v1/'

/** Beside the API; what is not here are paths that clients of images and registries know by themselves. */
const alsoDocumented = ['/healthz', '/readyz', '/metrics']

const Problem = Type.Object(
  {
    type: Type.Literal('about:blank'),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.Enum([...Object.keys(refusalStatus), 'internal'], {
      description: 'A stable name, for programs; each has one status',
    }),
    detail: Type.String({ description: 'A sentence for a person. It may quote what was sent' }),
  },
  { $id: 'Problem', description: 'RFC 9457' },
)

const bytes = Type.String({ contentMediaType: 'application/octet-stream' })

/** Any other body but JSON: the type that is sent is not looked at. */
const uploads: Record<string, FastifySchema> = {
  'POST /api/v1/signatures': { body: bytes, consumes: ['application/octet-stream'] },
}

/** An answer of bytes, for the schema of a route. */
export const octets = (description: string) => ({
  description,
  content: { 'application/octet-stream': { schema: bytes } },
})

/**
 * Describes what the schemas of the routes say, in OpenAPI 3.1. To be called before there are routes; those that come later
 * below the prefix of the API are all in it.
 */
export async function describeApi(
  app: App,
  { version, isPrivate, origin }: { version: string; isPrivate: boolean; origin(): string },
): Promise<void> {
  app.addSchema(Problem)
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.1',
      info: {
        title: 'Lookaside',
        version,
        description:
          'Signatures of container images. Clients of images read the tree below /signatures/, and registries have their own paths; this is the rest.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A token of this server' },
          basic: { type: 'http', scheme: 'basic', description: 'The token as password, of any user name' },
        },
      },
    },
    refResolver: {
      buildLocalReference: ({ $id }, _baseUri, _fragment, index) =>
        typeof $id === 'string' ? $id : `def-${index}`,
    },
    transform({ schema, url, route }) {
      const isApi = url.startsWith(apiPrefix)
      if (!isApi && !alsoDocumented.includes(url)) return { schema: { hide: true }, url }
      const method = String(route.method)
      const credentials = [{ bearer: [] }, { basic: [] }]
      const isOpen = !isApi || (method === 'GET' && !isPrivate) || url === documentPath
      return {
        url,
        schema: {
          ...schema,
          ...uploads[`${method} ${url}`],
          security: isOpen ? [{}, ...credentials] : credentials,
          response: { ...described(schema?.response), default: problemAnswer },
        },
      }
    },
  })
  app.get(
    documentPath,
    { schema: { summary: 'This description', response: { 200: anyDocument } } },
    async (_request, reply) => {
      reply.type('application/json; charset=utf-8').serializer(JSON.stringify)
      return { ...app.swagger(), servers: [{ url: origin() }] }
    },
  )
}

/** Each answer needs a description; where the schema has none, the status says it. */
function described(answers: unknown = {}): Record<string, object> {
  return Object.fromEntries(
    Object.entries(answers as Record<string, object>).map(([status, answer]) => {
      return [status, { description: STATUS_CODES[status] ?? '', ...answer }]
    }),
  )
}

const documentPath = `${apiPrefix}openapi.json`

const anyDocument = {
  description: 'OpenAPI 3.1',
  content: { 'application/json': { schema: Type.Object({}, { additionalProperties: true }) } },
}

const problemAnswer = {
  description: 'A refusal, or a failure',
  content: { [problemType]: { schema: { $ref: 'Problem#' } } },
}
