import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UpstreamRegistry } from '../bridge/registry.ts'
import { Refusal } from '../refusal.ts'
import type { SignIn } from './authenticate.ts'
import { sendRegistryError } from './registry-error.ts'
import { type Headers, realmOf, requestHeaders, responseHeaders, tokenPath } from './registry-headers.ts'
import type { App } from './server.ts'

export interface RegistryOptions extends SignIn {
  /** The registry that `/v2/` is forwarded to; null: another one answers there, or none. */
  upstream: UpstreamRegistry | null
  /** Whether nobody need bring credentials where the registry asks for none. */
  anonymous: boolean
  /** What clients reach this server by: `https` or `http`. */
  scheme: 'https' | 'http'
}

/** c/image reads and writes signatures at /extensions/v2/ of a registry that says so (docker/docker_client.go, `detectPropertiesHelper`). */
const supportsSignatures = { 'x-registry-supports-signatures': '1' }
const apiVersion = { 'docker-distribution-api-version': 'registry/2.0' }

/** What is of the registry: clients may take any time for it. */
export function isForRegistry(url: string): boolean {
  return url === '/v2' || url.startsWith('/v2/')
}

export function registryRoutes(app: App, options: RegistryOptions): void {
  app.register(async (routes: App) => {
    routes.setErrorHandler(sendRegistryError)
    routes.addHook('onSend', async (_request, reply) => void reply.headers(supportsSignatures))
    if (options.upstream) await forward(routes, options, options.upstream)
    else
      for (const url of ['/v2', '/v2/'])
        routes.get(url, (request, reply) => answerPing(request, reply, options))
  })
}

/** Without a registry behind it, the ping that clients begin with is answered here: tokens of this server count. */
async function answerPing(request: FastifyRequest, reply: FastifyReply, { authenticate }: RegistryOptions) {
  reply.headers(apiVersion)
  await authenticate(request)
  return {}
}

async function forward(routes: App, options: RegistryOptions, upstream: UpstreamRegistry): Promise<void> {
  const { authenticate, isForUs, anonymous, scheme } = options
  const clientOf = ({ headers, ip }: FastifyRequest) => {
    return { host: headers.host ?? 'localhost', address: ip, scheme }
  }
  // The types of the proxy are of HTTP/2 as well.
  const passing = {
    rewriteRequestHeaders: (request: FastifyRequest, headers: Headers) =>
      // A token of this server is for no other.
      requestHeaders(headers, { ...clientOf(request), hideCredentials: isForUs(request) }),
    rewriteHeaders: (headers: Headers, request: FastifyRequest) =>
      responseHeaders(headers, upstream.origin, clientOf(request)),
    onError: (reply: FastifyReply, { error }: { error: Error }) =>
      sendRegistryError(unreachable(error), reply.request, reply),
  } as NonNullable<FastifyHttpProxyOptions['replyOptions']>
  const proxying = {
    upstream: upstream.origin,
    undici: upstream.dispatcher,
    disableRequestLogging: true,
    // Whether to try again is for the client: it knows for how long.
    retryMethods: [],
    replyOptions: passing,
  }

  await routes.register(httpProxy, {
    ...proxying,
    prefix: '/v2',
    rewritePrefix: '/v2',
    async preHandler(request) {
      const isPing = /^\/v2\/?(\?|$)/.test(request.url)
      const isToken = isForUs(request)
      // Else who brings one that is not good any more learns it only when all layers are there, and the signature is not.
      if (isToken && (isPing || !['GET', 'HEAD'].includes(request.method))) await authenticate(request)
      if (!isPing) return
      // Clients send credentials only to who asks for them, so that a registry that does not would keep signers out.
      const asks = isToken || anonymous || (await upstream.challenges()).length > 0
      if (!asks)
        throw new Refusal('no-credentials', 'A token of this server is needed to sign; to pull, none is')
    },
  })

  await routes.register(httpProxy, {
    ...proxying,
    prefix: tokenPath,
    rewritePrefix: tokenPath,
    routes: ['/'],
    httpMethods: ['GET', 'POST'],
    async handler(_request, reply) {
      const realm = (await upstream.challenges()).map(realmOf).find((url) => url?.origin === upstream.origin)
      if (!realm) throw new Refusal('not-found', 'The registry gives out no tokens itself')
      return reply.from(realm.pathname, passing)
    },
  })
}

function unreachable(cause: Error): Refusal {
  return new Refusal('registry-unreachable', 'The registry behind this server does not answer', { cause })
}
