import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type ServerOptions as TlsServerOptions,
} from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import fastifyStatic from '@fastify/static'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  LogController,
  type RawServerDefault,
} from 'fastify'
import type { Admit } from '../admission/admit.ts'
import { normaliseUrlPath } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import type { Reading, Tokens } from '../storage/storage.ts'
import { authenticator } from './authenticate.ts'
import { healthRoutes } from './health.ts'
import { badParameter, problem, problemType, sendProblem } from './problem.ts'
import { startReads, treePrefix } from './reads.ts'
import { signatureRoutes } from './signatures.ts'
import { slotCache } from './slot-cache.ts'
import { uploadRoutes } from './uploads.ts'

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What the hot path may remember, in bytes, a process. */
const cacheBytes = 96 * 1024 * 1024

/** A client that sends headers slower than this is cut off. */
const headersMilliseconds = 10_000

/** Longer than the idle timeout of the usual proxies (60 s), so that they are the ones who close. */
const keepAliveMilliseconds = 72_000

/** What is under way when the server is told to end may take this long. */
const closeMilliseconds = 20_000
const sweepMilliseconds = 20

export interface LookasideServerOptions {
  storage: Reading & Pick<Tokens, 'token'>
  admit: Admit
  log: FastifyBaseLogger
  clock: () => number
  /** Certificate and key; null: plain HTTP. */
  tls: TlsServerOptions | null
  reads: { cacheSeconds: number; private: boolean }
  uploads: { maxBytes: number; stallSeconds: number }
  /** Scheme and authority that clients use, without a trailing slash. */
  origin(): string
}

export interface LookasideServer {
  app: App
  /** Starts to listen; returns the port. `localhost` is every address of that name. */
  listen(address: { host: string; port: number }): Promise<number>
  /** Another certificate for new connections; open ones go on. */
  setCertificate(options: SecureContextOptions): void
  /** Takes no new connections, answers what is under way, and ends. */
  close(): Promise<void>
}

export async function buildServer(options: LookasideServerOptions): Promise<LookasideServer> {
  const { storage, admit, log, clock, uploads, origin } = options
  const reads = await startReads({
    storage,
    cache: slotCache(cacheBytes),
    cacheSeconds: options.reads.cacheSeconds,
    clock,
    onError: (error) => log.error({ err: error }, 'a read failed'),
  })
  const servers: Server[] = []
  let closing = false
  const app: App = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: 1024 },
    serverFactory: (handler) => {
      const server = rawServer(options, (request, response) => {
        if (closing) response.shouldKeepAlive = false
        if (!reads(request, response)) handler(request, response)
      })
      servers.push(server)
      return server
    },
    clientErrorHandler: refuseGarbage,
    frameworkErrors: sendProblem,
    schemaErrorFormatter: ([fault]) => badParameter(fault),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.decorateRequest('caller', null)
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request) => {
    const tree = normaliseUrlPath(request.raw.url ?? '')?.startsWith(treePrefix)
    if (tree) throw new Refusal('method-not-allowed', `${request.method} is not for the tree`)
    throw new Refusal('not-found', 'There is nothing here')
  })
  const authenticate = authenticator(storage, clock)
  uploadRoutes(app, { admit, authenticate, maxBytes: uploads.maxBytes, origin })
  signatureRoutes(app, { storage, authenticate, private: options.reads.private, origin })
  healthRoutes(app, storage)
  await app.register(fastifyStatic, {
    root: join(import.meta.dirname, 'public'),
    wildcard: false,
    setHeaders: (reply) => {
      reply.header(
        'Content-Security-Policy',
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      )
      reply.header('X-Content-Type-Options', 'nosniff')
    },
  })
  await app.ready()

  return {
    app,
    async listen({ host, port }) {
      await app.listen({
        host,
        port,
        listenTextResolver: (address) => `bound to ${address.replace(/^https?:../, '')}`,
      })
      const [server] = servers as [Server]
      return (server.address() as AddressInfo).port
    },
    setCertificate(secureContext) {
      for (const server of servers) (server as TlsServer).setSecureContext(secureContext)
    },
    async close() {
      closing = true
      const deadline = setTimeout(() => {
        for (const server of servers) server.closeAllConnections()
      }, closeMilliseconds)
      // A connection whose answer was under way at the close stays open for the next request, if nobody looks.
      const sweep = setInterval(() => {
        for (const server of servers) server.closeIdleConnections()
      }, sweepMilliseconds)
      await app.close()
      clearInterval(sweep)
      clearTimeout(deadline)
    },
  }
}

function rawServer({ tls, uploads }: LookasideServerOptions, listener: RequestListener) {
  const limits: ServerOptions = {
    headersTimeout: Math.min(headersMilliseconds, uploads.stallSeconds * 1000),
    // From the first byte of a request to the last of its body: a body that stalls is answered 408 and cut off.
    requestTimeout: uploads.stallSeconds * 1000,
    connectionsCheckingInterval: Math.min(5000, uploads.stallSeconds * 250),
    keepAliveTimeout: keepAliveMilliseconds,
  }
  return tls ? createTlsServer({ ...limits, ...tls }, listener) : createServer(limits, listener)
}

/** What is not HTTP, or came too slowly, gets a last word in the form of every other refusal. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const { status, title, ...rest } =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? problem('body-timeout', 'The request took too long to arrive')
      : problem('bad-request', 'This is not a request that can be read')
  const body = JSON.stringify({ ...rest, status, title })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  )
}
