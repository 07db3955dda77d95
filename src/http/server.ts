import { X509Certificate } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer, ServerOptions as TlsServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import fastifyStatic from '@fastify/static'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RawServerDefault,
} from 'fastify'
import type { Admit } from '../admission/admit.ts'
import type { Trail } from '../admission/trail.ts'
import type { Clients } from '../identity/clients.ts'
import type { Issuers } from '../identity/issuers.ts'
import { normaliseUrlPath } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import type { AuditTrail } from '../storage/audit.ts'
import type { Sources } from '../storage/sources.ts'
import type { Reading, Tokens } from '../storage/storage.ts'
import type { Verdicts } from '../storage/verdicts.ts'
import { auditRoutes, noteRefusal, notingPresent } from './audit.ts'
import { readersBy, type SignIn, signIn } from './authenticate.ts'
import { changeRoutes } from './changes.ts'
import { isFlood, rawServer, refuseGarbage } from './connections.ts'
import { type ExtensionOptions, extensionRoutes } from './extension.ts'
import { type GatesOptions, gateRoutes } from './gates.ts'
import { healthRoutes } from './health.ts'
import { listingRoutes } from './listings.ts'
import { type MetricsOptions, metricRoutes } from './metrics/metrics.ts'
import { mirrorRoutes } from './mirrors.ts'
import { missedTop } from './missed.ts'
import { describeApi } from './openapi.ts'
import { isForPeople, sendErrorPage } from './pages/errors.ts'
import { pageHeaders, pageRoutes } from './pages/pages.ts'
import type { SiteOptions } from './pages/site.ts'
import { badParameter, sendProblem } from './problem.ts'
import { type ReadinessOptions, readiness } from './readiness.ts'
import { type ReadCounts, startReads, treePrefix } from './reads.ts'
import { isForRegistry, type RegistryOptions, registryRoutes } from './registry.ts'
import { sendRegistryError } from './registry-error.ts'
import { requestIdHeader, requestIdOf } from './request-id.ts'
import { shownCertificates, ticketKeysFor } from './shown-certificates.ts'
import { signatureRoutes } from './signatures.ts'
import { slotCache } from './slot-cache.ts'
import { uploadRoutes } from './uploads.ts'
import { wantedRoutes } from './wanted.ts'
import { type WithdrawalsOptions, withdrawalRoutes } from './withdrawals.ts'

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What the hot path may remember, in bytes, a process. */
const cacheBytes = 96 * 1024 * 1024

/** What is under way when the server is told to end may take this long. */
const closeMilliseconds = 20_000
const sweepMilliseconds = 20

export interface LookasideServerOptions {
  storage: Reading &
    Pick<Tokens, 'token'> &
    Pick<Sources, 'sources'> &
    Pick<AuditTrail, 'audit'> &
    Pick<Verdicts, 'keyring'>
  admit: Admit
  /** Hears of what is refused, and of what was there already. */
  trail: Trail
  withdrawals: WithdrawalsOptions['withdrawals']
  gates: Omit<GatesOptions, 'readers'> & SiteOptions['gates']
  /** What clients are given. */
  setup: SiteOptions['clients']
  /** What is measured, and asked of the other parts of the program for it. */
  observed: Pick<MetricsOptions, 'mirrors' | 'depth' | 'lags' | 'version' | 'processes'> &
    Pick<ReadinessOptions, 'probe'>
  log: FastifyBaseLogger
  clock: () => number
  /** Certificate and key; null: plain HTTP. */
  tls: TlsServerOptions | null
  reads: { cacheSeconds: number; private: boolean }
  uploads: { maxBytes: number; stallSeconds: number }
  registry: Pick<ExtensionOptions, 'delegate' | 'host'> & Omit<RegistryOptions, keyof SignIn>
  /** Whose word counts for where a request comes from: addresses and networks. */
  trustedProxies: readonly string[]
  issuers: Issuers
  clients: Clients
  /** Scheme and authority that clients use, without a trailing slash. */
  origin(): string
}

export interface LookasideServer {
  app: App
  /** Starts to listen; returns the port. `localhost` is every address of that name. */
  listen(address: { host: string; port: number }): Promise<number>
  /** Another certificate for new connections; open ones go on, and sessions can be resumed. */
  setCertificate(options: SecureContextOptions): void
  /** Takes no new connections, answers what is under way, and ends. */
  close(): Promise<void>
}

export async function buildServer(options: LookasideServerOptions): Promise<LookasideServer> {
  const { storage, trail, log, clock, uploads, registry, origin, observed } = options
  const admit = notingPresent(options.admit, trail)
  const missed = missedTop(clock)
  const counts: ReadCounts = { ok: 0, notModified: 0, notFound: 0, failed: 0 }
  const reads = await startReads({
    storage,
    cache: slotCache(cacheBytes),
    cacheSeconds: options.reads.cacheSeconds,
    clock,
    onError: (error) => log.error({ err: error }, 'a read failed'),
    counts,
    onMissed: missed.miss,
  })
  let certificate = options.tls?.cert
  /** In the form that those who ask there know. */
  const sendError = (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    const { url = '' } = request.raw
    // What the framework itself refuses, no hook has seen.
    reply.header(requestIdHeader, request.id)
    const isRegistry = isForRegistry(url) || url.startsWith('/extensions/v2/')
    if (isRegistry) sendRegistryError(error, request, reply)
    else if (isForPeople(request)) sendErrorPage(error, request, reply, origin())
    else sendProblem(error, request, reply)
  }
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  const shown = shownCertificates()
  /** With which each server began. */
  const ticketKeys = new Map<TlsServer, Buffer>()
  let clientCa = String(options.tls?.ca)
  const app: App = fastify({
    loggerInstance: log,
    trustProxy: options.trustedProxies.length ? [...options.trustedProxies] : false,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: 1024 },
    // What has come is answered: a request may wait for its turn while the server begins to end.
    return503OnClosing: false,
    genReqId: requestIdOf,
    rewriteUrl: ({ url = '/' }) => canonicalUrl(url),
    serverFactory: (handler) => {
      const server = rawServer({
        tls: options.tls,
        stallSeconds: uploads.stallSeconds,
        isPatient: ({ url = '' }) => registry.upstream !== null && isForRegistry(url),
        atOnce: (request, response) => isFlood(request, response) || reads(request, response),
        inTurn: handler,
      })
      server.on('connection', (socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      if (options.tls?.ca) shown.watch(server)
      servers.push(server)
      return server
    },
    clientErrorHandler: refuseGarbage,
    frameworkErrors: (error, request, reply) => {
      noteRefusal(trail, request, error)
      sendError(error, request, reply)
    },
    schemaErrorFormatter: ([fault]) => badParameter(fault),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.decorateRequest('caller', null)
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  app.setErrorHandler(sendError)
  app.addHook('onRequest', async (request, reply) => void reply.header(requestIdHeader, request.id))
  // Before a body is read that nobody has asked for.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return
    if (!request.url.startsWith(`/${treePrefix}`)) throw new Refusal('not-found', 'There is nothing here')
    reply.header('Allow', 'GET, HEAD, PUT')
    throw new Refusal('method-not-allowed', `${request.method} is not for the tree`)
  })
  app.addHook('onError', async (request, _reply, error) => noteRefusal(trail, request, error))
  await describeApi(app, { version: observed.version, isPrivate: options.reads.private, origin })
  const signing = signIn({ storage, issuers: options.issuers, clients: options.clients, shown, clock })
  const { authenticate } = signing
  const readers = readersBy(authenticate, options.reads.private)
  const certificateExpires = () => expiryOf(certificate)
  wantedRoutes(app, { storage, missed, processes: observed.processes, readers })
  metricRoutes(app, { ...observed, storage, readers, clock, reads: counts, certificateExpires })
  uploadRoutes(app, { admit, authenticate, maxBytes: uploads.maxBytes, origin })
  signatureRoutes(app, { storage, readers, origin })
  changeRoutes(app, { storage, readers })
  auditRoutes(app, { storage, authenticate })
  withdrawalRoutes(app, { withdrawals: options.withdrawals, storage, authenticate, readers, origin })
  listingRoutes(app, { storage, readers, reads: options.reads, clock })
  gateRoutes(app, { ...options.gates, readers })
  mirrorRoutes(app, { storage, readers, clock })
  const { repositoryOf } = options.gates
  extensionRoutes(app, {
    storage,
    admit,
    maxBytes: uploads.maxBytes,
    repositoryOf,
    ...signing,
    ...registry,
  })
  registryRoutes(app, { ...signing, ...registry })
  const onError = (err: unknown) => log.error({ err }, 'the server is not ready')
  healthRoutes(app, readiness({ ...observed, storage, certificateExpires, clock, onError }))
  pageRoutes(app, { storage, readers, gates: options.gates, clients: options.setup, clock, origin })
  await app.register(fastifyStatic, {
    root: join(import.meta.dirname, 'public'),
    wildcard: false,
    index: false,
    setHeaders: (reply) => {
      for (const [name, value] of Object.entries(pageHeaders)) reply.header(name, value)
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
      for (const server of options.tls ? (servers as TlsServer[]) : []) {
        // Workers have the same keys, from Node.
        const keys = server.getTicketKeys()
        ticketKeys.set(server, keys)
        server.setTicketKeys(ticketKeysFor(keys, options.tls ?? {}))
      }
      const [server] = servers as [Server]
      return (server.address() as AddressInfo).port
    },
    setCertificate(secureContext) {
      certificate = secureContext.cert
      for (const server of servers as TlsServer[]) {
        // New keys would end the sessions that clients hold, which must be where other CAs count for certificates.
        const keys = ticketKeysFor(ticketKeys.get(server) ?? server.getTicketKeys(), secureContext)
        server.setSecureContext({ ...secureContext, ticketKeys: keys })
      }
      if (String(secureContext.ca) !== clientCa) shown.forget()
      clientCa = String(secureContext.ca)
    },
    async close() {
      const deadline = setTimeout(() => {
        // Those in a TLS handshake too, which the server does not count.
        for (const socket of sockets) socket.destroy()
      }, closeMilliseconds)
      // A connection whose answer was under way at the close stays open for the next request, if nobody looks.
      const closeIdle = () => {
        for (const server of servers) server.closeIdleConnections()
      }
      closeIdle()
      const sweep = setInterval(closeIdle, sweepMilliseconds)
      await app.close()
      clearInterval(sweep)
      clearTimeout(deadline)
    },
  }
}

/** Of the first in the text: those of the authorities come after it. In Unix milliseconds; null where there is none. */
function expiryOf(cert: SecureContextOptions['cert']): number | null {
  const [first] = Array.isArray(cert) ? cert : [cert]
  return first === undefined ? null : new X509Certificate(first).validToDate.getTime()
}

/** The path of the tree as the router knows it: PUT takes the forms that GET does (doubled slashes, escapes). */
function canonicalUrl(url: string): string {
  const path = normaliseUrlPath(url)
  return path?.startsWith(treePrefix) && /^[!-~]+$/.test(path) && !/[%?#]/.test(path) ? `/${path}` : url
}
