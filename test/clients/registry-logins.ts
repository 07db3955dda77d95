import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { atEnd } from './program.ts'
import { newCertificate, type Registry, startRegistry } from './registry.ts'

/** Who may use the registries here. */
export const user = { name: 'puller', password: 'pull-secret', identityToken: 'identity-secret' }

/** Of the password: `htpasswd -nbB puller pull-secret` makes another of the kind. */
const passwordHash = '$2y$05$LookasidelookasideloouZ3JcP1Ob7SvoD9MXbGBUK3SNA37ZYW.'

/** A registry that asks for a password. */
export async function startPasswordRegistry(folder: string): Promise<Registry> {
  const path = join(folder, 'htpasswd')
  writeFileSync(path, `${user.name}:${passwordHash}\n`)
  return startRegistry(folder, { name: 'password-registry', auth: { htpasswd: { realm: 'test', path } } })
}

export interface TokenRegistry extends Registry {
  /** How tokens were asked for: `GET puller`, `POST`, `GET` (nobody in particular). */
  asked: string[]
}

/**
 * A registry that takes tokens of a server beside it, with another certificate. That gives anybody tokens to pull from
 * `public/…`, and those who know the password or the identity token any others.
 */
export async function startTokenRegistry(folder: string): Promise<TokenRegistry> {
  const home = join(folder, 'tokens')
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, 'tokens')
  const asked: string[] = []
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key) },
    async (request, response) => {
      const { parameters, isKnown, how } = await readQuestion(request)
      asked.push(how)
      if (isKnown === false) return void response.writeHead(401).end()
      const access = parameters
        .getAll('scope')
        .map((scope) => scope.split(':'))
        .filter(([, name = '']) => isKnown || name.startsWith('public/'))
        .map(([type, name, actions = '']) => ({ type, name, actions: actions.split(',') }))
      const token = newToken({ certificate, key }, parameters.get('service') ?? '', access)
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
  return { ...registry, ca, asked }
}

/** `isKnown` is null for who says nothing about himself. */
async function readQuestion(request: IncomingMessage) {
  if (request.method === 'POST') {
    const parameters = new URLSearchParams(await text(request))
    const isRefresh = parameters.get('grant_type') === 'refresh_token'
    const isKnown = isRefresh && parameters.get('refresh_token') === user.identityToken
    return { parameters, isKnown, how: 'POST' }
  }
  const parameters = new URL(request.url ?? '', 'https://localhost').searchParams
  const { authorization } = request.headers
  const basic = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`
  const isKnown = authorization === undefined ? null : authorization === basic
  return { parameters, isKnown, how: ['GET', ...parameters.getAll('account')].join(' ') }
}

/** distribution.github.io/distribution/spec/auth/jwt */
function newToken(
  { certificate, key }: { certificate: string; key: string },
  audience: string,
  access: unknown[],
): string {
  const now = Math.floor(Date.now() / 1000)
  const { raw } = new X509Certificate(readFileSync(certificate))
  const header = { typ: 'JWT', alg: 'ES256', x5c: [raw.toString('base64')] }
  const times = { iat: now, nbf: now - 60, exp: now + 300, jti: randomUUID() }
  const claims = { iss: 'tests', sub: '', aud: audience, ...times, access }
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const content = `${encode(header)}.${encode(claims)}`
  const privateKey = createPrivateKey(readFileSync(key))
  const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}
