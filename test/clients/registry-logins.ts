import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { atEnd } from './program.ts'
import { newCertificate, type Registry, type RegistryOptions, startRegistry } from './registry.ts'

/** Who may use the registries here. */
export const user = { name: 'puller', password: 'pull-secret', identityToken: 'identity-secret' }

/** Who may pull from any repository of a token registry, and push to none. */
export const reader = { name: 'reader', password: 'read-secret' }

/** Who may pull from any repository of a token registry, and push to `team/app`. */
export const developer = { name: 'developer', password: 'develop-secret' }

/** Of the password: `htpasswd -nbB puller pull-secret` makes another of the kind. */
const passwordHash = '$2y$05$LookasidelookasideloouZ3JcP1Ob7SvoD9MXbGBUK3SNA37ZYW.'

/** A registry that asks for a password. */
export async function startPasswordRegistry(
  folder: string,
  options: Pick<RegistryOptions, 'secure'> = {},
): Promise<Registry> {
  const path = join(folder, 'htpasswd')
  writeFileSync(path, `${user.name}:${passwordHash}\n`)
  const auth = { htpasswd: { realm: 'test', path } }
  return startRegistry(folder, { name: 'password-registry', auth, ...options })
}

export interface TokenRegistry extends Registry {
  /** How tokens were asked for: `GET puller`, `POST`, `GET` (nobody in particular). */
  asked: string[]
  /** The same registry, reached through its token server: who comes this way is sent to the same origin for tokens. */
  together: Registry
}

/**
 * A registry that takes tokens of a server beside it, with another certificate. That gives anybody tokens to pull from
 * `public/…`, and those who know the password or the identity token any others, but to those above theirs alone.
 */
export async function startTokenRegistry(folder: string): Promise<TokenRegistry> {
  const home = join(folder, 'tokens')
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, 'tokens')
  const asked: string[] = []
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key) },
    async (request, response) => {
      if (!request.url?.startsWith('/token')) return forward(request, response, registry)
      const { parameters, account, how } = await readQuestion(request)
      asked.push(how)
      if (account === undefined) return void response.writeHead(401).end()
      const access = parameters.getAll('scope').map((scope) => {
        const [type, name = '', actions = ''] = scope.split(':')
        const granted = actions.split(',').filter((action) => mayDo(account, name, action))
        return { type, name, actions: granted }
      })
      const token = newToken({ certificate, key }, parameters.get('service') ?? '', account ?? '', access)
      // Each way has its own name for it.
      response.end(JSON.stringify(request.method === 'POST' ? { access_token: token } : { token }))
    },
  ).listen(0, 'localhost')
  await new Promise((resolve) => server.once('listening', resolve))
  atEnd(async () => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const realm = `https://localhost:${port}/token`
  const token = { realm, service: 'the registry', issuer: 'tests', rootcertbundle: certificate }
  const registry = await startRegistry(folder, { name: 'token-registry', auth: { token } })
  const ca = join(home, 'both.crt')
  writeFileSync(ca, readFileSync(registry.ca, 'utf8') + readFileSync(certificate, 'utf8'))
  return { ...registry, ca, asked, together: { host: `localhost:${port}`, ca: certificate } }
}

function forward(request: IncomingMessage, response: ServerResponse, { host, ca }: Registry): void {
  const { method, headers, url } = request
  const asked = httpsRequest(`https://${host}${url}`, { method, headers, ca: readFileSync(ca) }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  request.pipe(asked)
}

/** @param account null for who says nothing about himself */
function mayDo(account: string | null, repository: string, action: string): boolean {
  if (account === null) return repository.startsWith('public/') && action === 'pull'
  if (account === reader.name) return action === 'pull'
  if (account === developer.name) return action === 'pull' || (action === 'push' && repository === 'team/app')
  return true
}

/** The `account` is null for who says nothing about himself, and undefined for who says what is not so. */
async function readQuestion(request: IncomingMessage) {
  if (request.method === 'POST') {
    const parameters = new URLSearchParams(await text(request))
    const isRefresh = parameters.get('grant_type') === 'refresh_token'
    const isKnown = isRefresh && parameters.get('refresh_token') === user.identityToken
    return { parameters, account: isKnown ? user.name : undefined, how: 'POST' }
  }
  const parameters = new URL(request.url ?? '', 'https://localhost').searchParams
  const { authorization } = request.headers
  const basic = ({ name, password }: { name: string; password: string }) =>
    `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const account =
    authorization === undefined
      ? null
      : [user, reader, developer].find((each) => basic(each) === authorization)?.name
  return { parameters, account, how: ['GET', ...parameters.getAll('account')].join(' ') }
}

/** distribution.github.io/distribution/spec/auth/jwt */
function newToken(
  { certificate, key }: { certificate: string; key: string },
  audience: string,
  subject: string,
  access: unknown[],
): string {
  const now = Math.floor(Date.now() / 1000)
  const { raw } = new X509Certificate(readFileSync(certificate))
  const header = { typ: 'JWT', alg: 'ES256', x5c: [raw.toString('base64')] }
  const times = { iat: now, nbf: now - 60, exp: now + 300, jti: randomUUID() }
  const claims = { iss: 'tests', sub: subject, aud: audience, ...times, access }
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const content = `${encode(header)}.${encode(claims)}`
  const privateKey = createPrivateKey(readFileSync(key))
  const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}
