import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { pino } from 'pino'
import type { Scope } from '../src/access/principal.ts'
import { formatScope, parseScope } from '../src/access/principal.ts'
import { mintToken, tokenRandomBytes } from '../src/access/token.ts'
import { verdictLease } from '../src/admission/verdicts.ts'
import { startServer } from '../src/app/start.ts'
import type { RunningServer } from '../src/cli/serve.ts'
import type { Config } from '../src/config/config.ts'
import { openSqlite } from '../src/storage/sqlite/sqlite.ts'
import type { KeyringKey } from '../src/storage/verdicts.ts'
import { endBefore, temporaryFolder } from './temporary.ts'

export interface TestServer extends RunningServer {
  data: string
  port: number
  /** A token with these scopes. */
  token(...scopes: string[]): Promise<string>
}

export function testConfig(data: string, overrides: Partial<Config> = {}): Config {
  return {
    data,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { mode: 'off' },
    workers: 1,
    gates: {},
    reads: { cacheSeconds: 0, private: false },
    uploads: { maxBytes: 131072, sigstoreJson: false, stallSeconds: 30 },
    withdraw: { graceSeconds: 300 },
    digestViews: [],
    tree: { enabled: true },
    registry: { delegate: false, anonymous: false },
    trustedProxies: [],
    oidc: [],
    clients: [],
    mirrors: [],
    publish: [],
    audit: { days: 90, rows: 500_000 },
    log: { level: 'silent' },
    warnings: [],
    ...overrides,
  }
}

/** A real server with its threads, in this process; it ends with the tests of the file. */
export async function testServer(overrides: Partial<Config> = {}): Promise<TestServer> {
  let server: RunningServer | undefined
  let closed: Promise<void> | undefined
  const close = () => (closed ??= server?.close() ?? Promise.resolve())
  const data = overrides.data ?? temporaryFolder()
  endBefore(data, close)
  const config = testConfig(data, overrides)
  server = await startServer(config, pino({ level: config.log.level }))
  return {
    ...server,
    close,
    data,
    port: Number(new URL(server.origin).port),
    token: (...scopes) => newToken(data, scopes.map(parseScope)),
  }
}

/** A data folder in which these keys vouch, and no others: a server there, whenever it starts, leaves its own out. */
export async function folderWithKeys(keys: readonly KeyringKey[]): Promise<string> {
  const data = temporaryFolder()
  const storage = openSqlite({ dataFolder: data })
  const lease = await storage.lease(verdictLease)
  assert.ok(lease)
  endBefore(data, () => lease.release())
  await storage.setKeyring(keys)
  await storage.close()
  return data
}

export async function newToken(
  data: string,
  scopes: Scope[],
  times: { expires?: number } = {},
): Promise<string> {
  const storage = openSqlite({ dataFolder: data })
  const { id, token, hash } = mintToken(randomBytes(tokenRandomBytes))
  await storage.addToken({
    id,
    name: 'tester',
    hash,
    scopes: scopes.map(formatScope),
    created: Date.now(),
    expires: times.expires ?? null,
    revoked: null,
  })
  await storage.close()
  return token
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** The body as JSON. */
  json<T = Record<string, any>>(): T
}

/** One request over a real connection, its path sent exactly as given; over TLS where a `ca` is given. */
export function ask(
  server: { port: number },
  method: string,
  path: string,
  {
    headers = {},
    body,
    token,
    ...options
  }: RequestOptions & { body?: Uint8Array | string; token?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = options.ca ? httpsRequest : httpRequest
    const request = send(
      {
        host: '127.0.0.1',
        port: server.port,
        method,
        path,
        headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers } as Record<string, string>,
        ...options,
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const body = Buffer.concat(chunks)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body,
            json: () => JSON.parse(body.toString()),
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
