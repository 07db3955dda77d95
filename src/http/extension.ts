import type { FastifyRequest } from 'fastify'
import { parsePattern } from '../access/pattern.ts'
import type { Principal } from '../access/principal.ts'
import type { Admit } from '../admission/admit.ts'
import { callerOfRegistry } from '../bridge/caller.ts'
import { extensionList, extensionName, maxObjectBytes, readExtensionSignature } from '../bridge/extension.ts'
import type { UpstreamRegistry } from '../bridge/registry.ts'
import { parseDigest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import type { Location } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { Reading, Slot } from '../storage/storage.ts'
import { originOf } from './audit.ts'
import type { Caller, SignIn } from './authenticate.ts'
import { sendRegistryError } from './registry-error.ts'
import type { App } from './server.ts'

export interface ExtensionOptions extends SignIn {
  storage: Pick<Reading, 'slots'>
  admit: Admit
  maxBytes: number
  /** The registry that decides who may sign, besides this server; null: this server alone. */
  delegate: UpstreamRegistry | null
  /** The registry as image names have it; null: as the client names it in Host. */
  host: string | null
  repositoryOf(image: Pick<ImageReference, 'host' | 'path'>): Repository | Refusal
}

/** What may be asked for; the others are told so. */
const methods = ['GET', 'HEAD', 'PUT']
const otherMethods = ['DELETE', 'OPTIONS', 'PATCH', 'POST'] as const

/** What the path of a request is about. */
interface Subject {
  /** As the registry has it. */
  name: Repository
  location: Location & { kind: 'repository' }
}

declare module 'fastify' {
  interface FastifyRequest {
    subject: Subject | null
  }
}

/**
 * The registry extension: a door as any other, with the list that c/image reads beside it. GET is open, as slots are. Its
 * path is an explicit place: who may push there may put a copied image's claims there.
 */
export function extensionRoutes(app: App, options: ExtensionOptions): void {
  const { storage, admit, maxBytes } = options
  const listOf = async ({ location }: Subject) =>
    extensionList(location.digest, await storage.slots(location))
  app.register(async (routes: App) => {
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: maxObjectBytes(maxBytes) },
      (_request, body, done) => done(null, body),
    )
    routes.setErrorHandler(sendRegistryError)
    routes.decorateRequest('subject', null)
    routes.addHook('onRequest', async (request, reply) => {
      if (!methods.includes(request.method)) {
        reply.header('Allow', methods.join(', '))
        throw new Refusal('method-not-allowed', `${request.method} is not for signatures of a registry`)
      }
      const subject = subjectOf(request, options)
      request.subject = subject
      if (request.method !== 'PUT' || !subject) return
      // c/image sends no type; credentials are looked at before the body is read.
      request.headers['content-type'] = 'application/json'
      request.caller = await callerOf(request, subject, options)
    })

    routes.get('/extensions/v2/*', async (request, reply) => {
      const { subject } = request
      reply.header('Content-Type', 'application/json; charset=utf-8').header('Cache-Control', 'no-cache')
      return JSON.stringify(subject ? await listOf(subject) : { signatures: [] })
    })

    routes.route({ method: [...otherMethods], url: '/extensions/v2/*', handler: () => {} })

    routes.put('/extensions/v2/*', async (request, reply) => {
      const { location } = request.subject as Subject
      const { name: repository, digest } = location
      const body = (request.body as Buffer | undefined) ?? new Uint8Array()
      const { name, blob } = readExtensionSignature(body, digest)
      requireFreeName(name, blob, location, await storage.slots(location))
      const { principal, actor } = request.caller as Caller
      const upload = { bytes: blob, principal, actor, origin: originOf(request), repository, digest }
      const { outcome, signature, warnings } = await admit(upload)
      request.admitted = outcome
      const { id, slot, sha256 } = signature
      request.log.info(
        { outcome, id, repository, digest, slot, actor, ...(warnings.length && { warnings }) },
        'upload',
      )
      // c/image takes nothing but 201, also for what was there.
      reply.code(201)
      return { schemaVersion: 2, name: extensionName(digest, sha256), type: 'atomic' }
    })
  })
}

/**
 * Null for a reader of a registry that has no signatures here: clients take any refusal for a broken image.
 * @throws Refusal not-found, bad-reference, bad-digest; registry-not-served
 */
function subjectOf(request: FastifyRequest, options: ExtensionOptions): Subject | null {
  const path = decodePath(request.raw.url ?? '')
  const [, text, digest] = /^\/extensions\/v2\/(.+)\/signatures\/([^/]+)$/s.exec(path ?? '') ?? []
  if (text === undefined || digest === undefined)
    throw new Refusal('not-found', 'Signatures are at /extensions/v2/<name>/signatures/<digest>')
  const name = parseRepository(text)
  const named = parseDigest(digest)
  const repository = options.repositoryOf({
    host: options.host ?? request.headers.host?.toLowerCase() ?? '',
    path: name,
  })
  if (!(repository instanceof Refusal))
    return { name, location: { kind: 'repository', name: repository, digest: named } }
  if (repository.code === 'registry-not-served' && request.method !== 'PUT') return null
  throw repository
}

function decodePath(url: string): string | null {
  try {
    return decodeURIComponent(url.replace(/[?#].*$/s, ''))
  } catch {
    return null
  }
}

async function callerOf(
  request: FastifyRequest,
  { name, location: { name: repository, digest } }: Subject,
  { authenticate, isForUs, delegate }: ExtensionOptions,
): Promise<Caller> {
  const { authorization } = request.headers
  if (!delegate || isForUs(request)) {
    const { principal, actor } = await authenticate(request)
    return { principal: relocating(principal, repository), actor }
  }
  const isKnown = await delegate.requirePush(authorization ?? null, name, digest)
  const signer = callerOfRegistry(isKnown ? authorization : undefined)
  const scope = { action: 'push' as const, pattern: parsePattern(repository) }
  return { principal: relocating({ name: signer, scopes: [scope] }, repository), actor: `registry:${signer}` }
}

/** The path of the extension says where a signature is wanted, as a registry's path says it of an image. */
function relocating({ name, scopes }: Principal, repository: Repository): Principal {
  return { name, scopes: [...scopes, { action: 'relocate', pattern: parsePattern(repository) }] }
}

/** @throws Refusal signature-exists: where another signature has that name */
function requireFreeName(name: string, blob: Uint8Array, { digest }: Location, slots: readonly Slot[]): void {
  const holder = slots.find(({ sha256 }) => extensionName(digest, sha256) === name)
  if (!holder) return
  const identityOf = (bytes: Uint8Array) => readSignature(bytes, { sigstoreJson: true }).identity
  if (identityOf(holder.blob) === identityOf(blob)) return
  throw new Refusal('signature-exists', `Another signature has the name ${name}`)
}
