import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { may, type Principal, parseScope } from '../access/principal.ts'
import { isJwt, parseToken, secretMatches } from '../access/token.ts'
import type { Clients } from '../identity/clients.ts'
import type { Issuers } from '../identity/issuers.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Tokens } from '../storage/storage.ts'
import type { ShownCertificates } from './shown-certificates.ts'
import { signInFailures } from './sign-in-failures.ts'

/** Who asks, and how the log names it. */
export interface Caller {
  principal: Principal
  actor: string
}

export type Authenticate = (request: FastifyRequest) => Promise<Caller>

export interface SignIn {
  /** @throws Refusal no-credentials, bad-credentials, too-many-failures, not-allowed; issuer-unreachable */
  authenticate: Authenticate
  /** Whether the credentials of a request are, or want to be, for this server: no other is to see them. */
  isForUs(request: FastifyRequest): boolean
}

export interface SignInOptions {
  storage: Pick<Tokens, 'token'>
  issuers: Issuers
  clients: Clients
  shown: Pick<ShownCertificates, 'of'>
  clock: () => number
}

/** Compared with where there is no such token, so that its absence takes the time of a wrong secret. */
const noHash = new Uint8Array(32)

/**
 * Finds who asks: by a token of this server or of an issuer that it knows, as `Authorization: Bearer <token>` or as the
 * password of Basic with any user name; where there is none, by the certificate of the connection. A token that was
 * revoked before the event loop turned to a request is refused.
 */
export function signIn({ storage, issuers, clients, shown, clock }: SignInOptions): SignIn {
  /** Who was found in this turn of the event loop, by token. */
  const found = new Map<string, Caller>()
  const failed = signInFailures(clock)

  async function lookUp(text: string): Promise<Caller> {
    if (isJwt(text)) return issuers.signIn(text)
    const parsed = parseToken(text)
    const record = parsed && (await storage.token(parsed.id))
    const matches = secretMatches(parsed?.secret ?? '', record?.hash ?? noHash)
    if (!record || !matches) throw new Refusal('bad-credentials', 'The token is not known here')
    if (record.revoked !== null) throw new Refusal('bad-credentials', `The token ${record.id} was revoked`)
    if (record.expires !== null && record.expires <= clock())
      throw new Refusal(
        'bad-credentials',
        `The token ${record.id} expired on ${new Date(record.expires).toISOString()}`,
      )
    return {
      principal: { name: record.name, scopes: record.scopes.map(parseScope) },
      actor: `token:${record.id} ${record.name}`,
    }
  }

  const counting = (address: string) => (error: unknown) => {
    const isFailure = error instanceof Refusal && error.code === 'bad-credentials'
    const retrySeconds = isFailure ? failed(address) : null
    if (retrySeconds === null) throw error
    throw new Refusal('too-many-failures', 'Too many have failed to sign in from this address', {
      retrySeconds,
    })
  }

  function clientOf(socket: Socket): Caller {
    const certificate = shown.of(socket)
    const client = certificate instanceof X509Certificate ? clients(certificate) : null
    if (client) return client
    const why =
      certificate === null
        ? ''
        : ` (the certificate of the client does not count: ${typeof certificate === 'string' ? certificate : 'it names nobody that is known here, or is not for clients'})`
    throw new Refusal(
      'no-credentials',
      `A token is needed: send it as Bearer, or as the password of Basic${why}`,
    )
  }

  return {
    async authenticate({ headers, raw, ip }) {
      const text = tokenText(headers.authorization)
      // Clients of registries send an empty password where they have none and are asked for one.
      if (!text) return clientOf(raw.socket)
      const caller = found.get(text) ?? (await lookUp(text).catch(counting(ip)))
      if (found.size === 0) setImmediate(() => found.clear())
      found.set(text, caller)
      return caller
    },

    isForUs({ headers, raw }) {
      const text = tokenText(headers.authorization) ?? ''
      if (text.startsWith('lks_') || issuers.knows(text)) return true
      const certificate = headers.authorization === undefined ? shown.of(raw.socket) : null
      return certificate instanceof X509Certificate && clients(certificate) !== null
    },
  }
}

/** What a caller may read of what is not open to clients without asking. */
export interface Reader {
  name: string
  /** Without a repository: everything. */
  mayRead(repository?: Repository): boolean
  /** Who did what, and why. */
  mayReadActors: boolean
}

/** @throws Refusal not-allowed */
export function requireRead({ name, mayRead }: Reader, repository?: Repository): void {
  if (!mayRead(repository))
    throw new Refusal('not-allowed', `${name} has no right read:${repository ?? '**'}`)
}

export type Readers = (request: FastifyRequest) => Promise<Reader>

/** Everybody may read everything, where reads are not private. */
export function readersBy(authenticate: Authenticate, isPrivate: boolean): Readers {
  if (!isPrivate) return async () => ({ name: 'everybody', mayRead: () => true, mayReadActors: true })
  return async (request) => {
    const { principal } = await authenticate(request)
    return {
      name: principal.name,
      mayRead: (repository) => may(principal, 'read', repository),
      mayReadActors: may(principal, 'admin'),
    }
  }
}

function tokenText(authorization: string | undefined): string | null {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(authorization ?? '') ?? []
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic') return null
  const credentials = Buffer.from(value, 'base64').toString()
  const colon = credentials.indexOf(':')
  return colon < 0 ? '' : credentials.slice(colon + 1)
}
