import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'
import { type ReadinessOptions, readiness } from '../../src/http/readiness.ts'
import { Refusal } from '../../src/refusal.ts'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'

const well: ReadinessOptions = {
  storage: { head: async () => ({ seq: 7, hash: '' }) },
  probe: async () => ({ brokenPolicies: [] }),
  lags: async () => [{ name: 'tree', lag: { changes: 0, seconds: 0 } }],
  certificateExpires: () => 1001,
  clock: () => 1000,
  onError: () => {},
}

const found = async (options: Partial<ReadinessOptions>) => {
  const { problems } = await readiness({ ...well, ...options })()
  return problems.map(({ code, effect }) => `${code} ${effect}`)
}

test('each thing that is wrong has a code, and says what still works', async () => {
  const failing = (error: Error) => ({ probe: () => Promise.reject(error) })
  const behind = (name: string) => ({ lags: async () => [{ name, lag: { changes: 1, seconds: 301 } }] })
  const cases: [Partial<ReadinessOptions>, string[]][] = [
    [{}, []],
    [{ storage: { head: () => Promise.reject(new Error('I/O')) } }, ['database-unreadable unready']],
    [{ clock: () => 1001 }, ['certificate-expired unready']],
    [failing(new Refusal('disk-full', '')), ['disk-full no-uploads']],
    [failing(new Error('attempt to write a readonly database')), ['database-not-writable no-uploads']],
    [failing(new Refusal('busy', '')), ['database-busy no-uploads']],
    [failing(new Refusal('busy', '', { cause: new Error() })), ['admission-down no-uploads']],
    [{ probe: () => new Promise(() => {}) }, ['admission-down no-uploads']],
    [{ probe: async () => ({ brokenPolicies: ['a'] }) }, ['policy-broken degraded']],
    [behind('tree'), ['tree-behind no-uploads']],
    [behind('/srv/sigs'), ['published-behind degraded']],
    [{ lags: async () => [{ name: 'tree', lag: null }] }, ['tree-behind no-uploads']],
  ]
  for (const [options, expected] of cases) assert.deepEqual(await found(options), expected)
})

test('however many ask, a commit is tried once', async () => {
  let tried = 0
  const probe = async () => {
    tried++
    return { brokenPolicies: [] }
  }
  const ready = readiness({ ...well, probe })
  await Promise.all(Array.from({ length: 50 }, ready))
  await ready()
  assert.equal(tried, 1)
})

test('a database that another program holds makes it unready for uploads, not for readers, and passes', async () => {
  const server = await testServer()
  const status = async (path: string) => (await ask(server, 'GET', path)).status
  await eventually(async () => (await status('/readyz')) === 200)
  const other = new Database(join(server.data, 'lookaside.db'))
  other.exec('BEGIN IMMEDIATE')
  await eventually(async () => (await status('/readyz')) === 503)
  const { code, effect } = (await ask(server, 'GET', '/readyz')).json().problems[0]
  assert.match(code, /^(admission-down|database-busy)$/)
  assert.equal(effect, 'no-uploads')
  assert.equal(await status('/readyz?for=reads'), 200)
  assert.equal(await status('/healthz'), 200)
  other.exec('COMMIT')
  other.close()
  await eventually(async () => (await status('/readyz')) === 200)
})

test('a policy that breaks while the server runs degrades it, and is no reason to take it out of service', async () => {
  const policy = join(temporaryFolder(), 'policy.json')
  const good = JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] })
  writeFileSync(policy, good)
  const server = await testServer({ policy })
  const answer = async () => {
    const { status, json } = await ask(server, 'GET', '/readyz')
    return [status, json().status, ...json().problems.map(({ code }: { code: string }) => code)]
  }
  await eventually(async () => (await answer())[1] === 'ok')
  writeFileSync(policy, '{')
  await eventually(async () => isDeepStrictEqual(await answer(), [200, 'degraded', 'policy-broken']))
  rmSync(policy)
  writeFileSync(policy, good)
  await eventually(async () => (await answer())[1] === 'ok')
})
