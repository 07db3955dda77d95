import { after } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { OAuth2Server } from 'oauth2-mock-server'
import type { IssuerConfig } from '../../src/config/config.ts'

export const audience = 'https://sigs.example.com'

/** An issuer of tokens that really runs, with keys that tests have too; it ends with the tests of the file. */
export interface TestIssuer {
  url: string
  server: OAuth2Server
  /** A token as the issuer makes it; claims that are undefined are left out. */
  token(claims?: Record<string, unknown>, signing?: Signing): Promise<string>
  /** The public key by its kid, as the issuer publishes it. */
  publicKeys: Map<string, object>
  addKey(kid: string, alg: string): Promise<void>
  config(rules: IssuerConfig['rules']): IssuerConfig
}

export interface Signing {
  kid?: string
  header?: Record<string, unknown>
}

export async function startIssuer(): Promise<TestIssuer> {
  const server = new OAuth2Server()
  const keys = new Map<string, { alg: string; privateKey: CryptoKey }>()
  const publicKeys = new Map<string, object>()
  const addKey = async (kid: string, alg: string) => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    await server.issuer.keys.add({ ...(await exportJWK(privateKey)), kid, alg } as never)
    publicKeys.set(kid, await exportJWK(publicKey))
    keys.set(kid, { alg, privateKey })
  }
  await addKey('rsa', 'RS256')
  await addKey('ec', 'ES256')
  await server.start(0, 'localhost')
  const url = server.issuer.url ?? ''
  after(() => server.listening && server.stop())
  return {
    url,
    server,
    publicKeys,
    addKey,
    async token(claims = {}, { kid = 'rsa', header = {} } = {}) {
      const { alg = '', privateKey } = keys.get(kid) ?? {}
      const now = Math.floor(Date.now() / 1000)
      const given = { iss: url, aud: audience, sub: 'job', iat: now, nbf: now, exp: now + 300, ...claims }
      const payload = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
      return new SignJWT(payload as JWTPayload)
        .setProtectedHeader({ alg, kid, ...header })
        .sign(privateKey as CryptoKey)
    },
    config: (rules) => ({
      issuer: url,
      audience,
      algorithms: ['RS256', 'ES256'],
      maxLifetimeSeconds: 86_400,
      rules,
    }),
  }
}
