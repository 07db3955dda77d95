import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { pino } from 'pino'
import { oneProcess } from '../../src/http/processes.ts'
import { buildServer } from '../../src/http/server.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { type Answer, ask, testConfig, testServer } from '../server.ts'
import { exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const policy = join(temporaryFolder(), 'open.json')
writeFileSync(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
const gates = { open: { policy, thresholds: [], maxAge: null, index: 'ignored' as const } }
const server = await testServer({ gates })
const token = await server.token('admin', 'push:**', 'withdraw:**')
const document = (await ask(server, 'GET', '/api/v1/openapi.json')).json()

type Operation = { summary?: string; responses: Record<string, { content?: Record<string, object> }> }
const operations = new Map<string, Operation>(
  Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation]),
  ),
)

test('the description is OpenAPI 3.1, and says what each route is for', async () => {
  const result = await new Validator().validate(structuredClone(document))
  assert.ok(result.valid, JSON.stringify(result.errors))
  assert.match(document.openapi, /^3\.1\./)
  for (const [name, { summary }] of operations) assert.ok(summary, `${name} has no summary`)
})

/** Of any server: it is asked nothing. */
async function routesOfApi(): Promise<string[]> {
  const data = temporaryFolder()
  const storage = openSqlite({ dataFolder: data })
  const never = async (): Promise<never> => assert.fail('nothing is asked here')
  const { app } = await buildServer({
    ...testConfig(data),
    storage,
    admit: never,
    trail: { note: never, close: never },
    issuers: { knows: () => false, signIn: never, close: never },
    withdrawals: { withdraw: never, reinstate: never, ban: never, unban: never },
    gates: { ask: never, demands: never, repositoryOf: () => assert.fail(), names: [] },
    setup: { registries: undefined, ca: async () => null },
    clients: () => null,
    observed: {
      mirrors: [],
      depth: () => ({ waiting: 0, underWay: 0 }),
      probe: never,
      lags: async () => [],
      version: '0',
      processes: oneProcess(),
    },
    log: pino({ level: 'silent' }),
    clock: Date.now,
    tls: null,
    registry: { upstream: null, delegate: null, anonymous: false, host: null, scheme: 'http' },
    origin: () => '',
  })
  const printed = app.printRoutes({ commonPrefix: false })
  await app.close()
  await storage.close()
  // A line a path: indented below the one that it goes on from, with its methods behind it.
  const parents: string[] = []
  return printed.split('\n').flatMap((line) => {
    const [, indent = '', part = '', methods = ''] =
      /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
    const depth = indent.length / 4
    parents[depth] = part
    const path = parents.slice(0, depth + 1).join('')
    return methods
      .split(', ')
      .filter((method) => method && method !== 'HEAD' && path.startsWith('/api/v1/'))
      .map((method) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  })
}

test('every route of the API is described', async () => {
  const routes = await routesOfApi()
  assert.ok(routes.length > 10, routes.join('\n'))
  const described = [...operations.keys()].filter((name) => name.includes(' /api/v1/'))
  assert.deepEqual(described.sort(), routes.sort())
})

const ajv = new Ajv2020({ strict: false })
ajv.addSchema(document, 'api')

/** That the description has just this answer: its status, its type and its form. */
function requireDescribed(name: string, { status, headers, body }: Answer): void {
  const responses = operations.get(name)?.responses ?? assert.fail(`${name} is not described`)
  const key = responses[status] ? String(status) : 'default'
  assert.ok(status >= 400 || key !== 'default', `${name} answers ${status}`)
  const { content } = responses[key] ?? {}
  if (!content) {
    assert.equal(body.length, 0, `${name} ${status}`)
    return
  }
  const [type = ''] = String(headers['content-type']).split(';')
  assert.ok(content[type], `${name} answers ${status} with ${type}`)
  const pointer = ['paths', name.split(' ')[1], name.split(' ')[0]?.toLowerCase(), 'responses', key]
  const path = [...pointer, 'content', type, 'schema']
    .map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/')
  const isValid = ajv.compile({ $ref: `api#/${path}` })
  const value = type.endsWith('json') ? JSON.parse(body.toString()) : body.toString('latin1')
  assert.ok(isValid(value), `${name} ${status}: ${ajv.errorsText(isValid.errors)}\n${body}`)
}

test('every route answers as it is described, where it is well and where it refuses', async () => {
  const blob = newBlob()
  const fingerprint = 'A'.repeat(40)
  const gate = new URLSearchParams({ image: exampleReference, digest: exampleDigest() })
  const before = await ask(server, 'POST', '/api/v1/signatures', {
    token,
    body: newBlob({ digest: exampleDigest('b') }),
  })
  const { id, repository, digest, sha256 } = before.json()
  const calls: [
    route: string,
    status: number,
    path?: string | undefined,
    options?: Parameters<typeof ask>[3],
  ][] = [
    ['POST /api/v1/signatures', 201, undefined, { token, body: blob }],
    ['POST /api/v1/signatures', 200, undefined, { token, body: blob }],
    ['POST /api/v1/signatures', 401, undefined, { body: blob }],
    ['POST /api/v1/signatures', 422, undefined, { token, body: 'no signature' }],
    ['POST /api/v1/signatures', 413, undefined, { token, body: Buffer.alloc(200_000) }],
    ['GET /api/v1/signatures', 200],
    ['GET /api/v1/signatures', 400, '/api/v1/signatures?limit=0'],
    ['GET /api/v1/signatures', 400, '/api/v1/signatures?unknown=1'],
    ['GET /api/v1/signatures/{id}', 200, `/api/v1/signatures/${id}`],
    ['GET /api/v1/signatures/{id}', 404, '/api/v1/signatures/999'],
    ['GET /api/v1/signatures/{id}', 400, '/api/v1/signatures/x'],
    ['GET /api/v1/changes', 200, '/api/v1/changes?blobs=true'],
    ['GET /api/v1/changes', 200, '/api/v1/changes'],
    ['GET /api/v1/blobs/{sha256}', 200, `/api/v1/blobs/${sha256}`],
    ['GET /api/v1/blobs/{sha256}', 304, `/api/v1/blobs/${sha256}`, { headers: { 'if-none-match': '*' } }],
    ['GET /api/v1/blobs/{sha256}', 404, '/api/v1/blobs/x'],
    ['GET /api/v1/gates/{name}', 200, `/api/v1/gates/open?${gate}`],
    ['GET /api/v1/gates/{name}', 404, `/api/v1/gates/none?${gate}`],
    ['GET /api/v1/mirrors', 200],
    ['DELETE /api/v1/signatures/{id}', 401, `/api/v1/signatures/${id}`],
    ['DELETE /api/v1/signatures/{id}', 200, `/api/v1/signatures/${id}?reason=test`, { token }],
    [
      'POST /api/v1/signatures/{id}/reinstate',
      200,
      `/api/v1/signatures/${id}/reinstate?reason=test`,
      { token },
    ],
    [
      'DELETE /api/v1/signatures',
      200,
      `/api/v1/signatures?${new URLSearchParams({ repository, digest, reason: 'test' })}`,
      { token },
    ],
    ['DELETE /api/v1/signatures', 400, '/api/v1/signatures', { token }],
    [
      'PUT /api/v1/banned-keys/{fingerprint}',
      200,
      `/api/v1/banned-keys/${fingerprint}?reason=test`,
      { token },
    ],
    ['GET /api/v1/banned-keys', 200],
    ['DELETE /api/v1/banned-keys/{fingerprint}', 200, `/api/v1/banned-keys/${fingerprint}`, { token }],
    ['GET /api/v1/audit', 200, undefined, { token }],
    ['GET /api/v1/audit', 400, '/api/v1/audit?limit=0', { token }],
    ['GET /api/v1/audit', 401],
    ['GET /api/v1/openapi.json', 200],
    ['GET /api/v1/wanted', 200],
    ['GET /api/v1/wanted', 400, '/api/v1/wanted?limit=501'],
    ['GET /healthz', 200],
    ['GET /readyz', 200],
    ['GET /readyz', 400, '/readyz?for=writes'],
    ['GET /metrics', 200],
  ]
  for (const [route, status, path, options] of calls) {
    const [method = '', pattern = ''] = route.split(' ')
    const answer = await ask(server, method, path ?? pattern, options)
    assert.equal(answer.status, status, `${route}: ${answer.body}`)
    requireDescribed(route, answer)
  }
  const called = new Set(calls.map(([route]) => route))
  assert.deepEqual(
    [...operations.keys()].filter((route) => !called.has(route)),
    [],
  )
})
