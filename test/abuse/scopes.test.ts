import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exampleDigest, newBlob } from '../signing.ts'
import { type Attacked, startAttacked } from './attacked.ts'

const digest = exampleDigest('d')
const place = digest.replace(':', '=')

/** Ways to write what is not `team/app`, for somebody who may do something there and nowhere else. */
const elsewhere = [
  ...[
    'team/other',
    'team',
    'app',
    'team/app/x',
    'team/appx',
    'team/ap',
    'xteam/app',
    'x/team/app',
    'team-app',
    'other/app',
  ],
  ...[
    'Team/App',
    'TEAM/APP',
    'team/APP',
    'team/app.',
    'team/app_',
    'team/app-',
    'team/./other',
    'team/../other',
    'team/app/../other',
  ],
  ...[
    'team/app/../../team/other',
    'team//other',
    '//team/other',
    '/team/other',
    'team/other/',
    './team/other',
    '../team/other',
  ],
  ...[
    'team%2Fother',
    'team%2fapp%2f..%2fother',
    'team%252Fother',
    'team/app%00/other',
    'team/app%2e',
    'team/%61pp/x',
    'team/other%3Frepository=team/app',
  ],
  ...[
    'team/app%23/x',
    'team/app;/other',
    'team/app/..;/other',
    'team\\other',
    'team/app\\..\\other',
    'team/app%5c..%5cother',
    'team/аpp',
    'team/ａpp',
  ],
  ...[
    'team/app\u200b',
    'team/app%E2%80%8B',
    'team/app\u0301',
    'team/*',
    '*',
    '**',
    'team/**',
    'team/app*',
    'team/app,team/other',
    'team/app other',
    '',
  ],
]

/** What a proxy may have been told, or a careless server may believe. */
const headers: Record<string, string>[] = [
  {},
  { 'x-original-url': `/signatures/team/app@${place}/signature-1` },
  { 'x-rewrite-url': '/api/v1/signatures?repository=team/app' },
  {
    'x-forwarded-prefix': '/team/app',
    'x-forwarded-host': 'registry.example.com',
    'x-forwarded-for': '127.0.0.1',
    forwarded: 'for=127.0.0.1',
  },
  { 'x-http-method-override': 'PUT', 'x-method-override': 'DELETE', 'x-http-method': 'PUT' },
  {
    'x-remote-user': 'admin',
    'x-forwarded-user': 'admin',
    'x-ssl-client-verify': 'SUCCESS',
    'x-client-cert': 'CN=admin',
  },
]

const encoded = (text: string) => text.replace(/[^!-~]/gu, (character) => encodeURIComponent(character))
const claimed = (repository: string) => newBlob({ reference: `registry.example.com/${repository}:1`, digest })

/** Everything that is there, for somebody who may see all of it. */
async function all(attacked: Attacked, admin: string): Promise<string[]> {
  const answer = await attacked.ask('GET', '/api/v1/signatures?limit=1000', { token: admin })
  return answer
    .json()
    .signatures.map((one: { repository: string; digest: string }) => `${one.repository}@${one.digest}`)
}

test('who may push to team/app pushes nowhere else, however it is written and whatever is claimed', async (t) => {
  const attacked = await startAttacked()
  const admin = await attacked.token('admin')
  const token = await attacked.token('push:team/app', 'withdraw:team/app', 'relocate:team/app')
  const before = await all(attacked, admin)
  const statuses: Record<number, number> = {}
  const attempt = async (method: string, path: string, body: Buffer, more: Record<string, string>) => {
    const { status } = await attacked.ask(method, encoded(path), { token, body, headers: more })
    statuses[status] = (statuses[status] ?? 0) + 1
    assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`)
  }
  await attacked.whileReading(t, 'scopes', async () => {
    for (const more of headers)
      for (const written of elsewhere) {
        // A claim for there; and a claim of what is permitted, to be put there.
        for (const body of [claimed('team/other'), claimed('team/app')]) {
          await attempt('PUT', `/signatures/${written}@${place}/signature-1`, body, more)
          await attempt('PUT', `/extensions/v2/${written}/signatures/${digest}`, body, more)
          // Nothing is written there, which is no place, and not the default one.
          await attempt('POST', `/api/v1/signatures?repository=${written}`, body, more)
        }
        await attempt(
          'POST',
          `/api/v1/signatures?repository=team/app&repository=${written}`,
          claimed('team/other'),
          more,
        )
        await attempt('DELETE', `/api/v1/signatures?repository=${written}&reason=x`, Buffer.alloc(0), more)
      }
    for (const more of headers) await attempt('POST', '/api/v1/signatures', claimed('team/other'), more)
    for (const claim of ['team/app/x', 'team/other', 'team', 'x/team/app', 'team/appx'])
      await attempt('POST', '/api/v1/signatures', claimed(claim), {})
  })
  assert.deepEqual(await all(attacked, admin), before)
  const permitted = await attacked.ask('POST', '/api/v1/signatures', { token, body: claimed('team/app') })
  assert.equal(permitted.status, 201)
  assert.deepEqual((await all(attacked, admin)).slice(before.length), [`team/app@${digest}`])
  t.diagnostic(JSON.stringify(statuses))
  await attacked.end()
})

test('where reads are private, who may read team/app sees nothing else, however it is asked for', async (t) => {
  const attacked = await startAttacked([], { LOOKASIDE_READS_PRIVATE: 'true' })
  const admin = await attacked.token('admin')
  const secret = 'team/secret-project'
  const added = await attacked.ask('POST', '/api/v1/signatures', { token: admin, body: claimed(secret) })
  assert.equal(added.status, 201)
  const { id, sha256 } = added.json()
  const token = await attacked.token('read:team/app')
  const asked = [secret, ...elsewhere.map((written) => written.replace('other', 'secret-project'))]
  const paths = [
    ...asked.flatMap((written) => [
      `/signatures/${written}/`,
      `/signatures/${written}@${place}/`,
      `/api/v1/signatures?repository=${written}`,
      `/api/v1/signatures?repository=team/app&repository=${written}`,
      `/repositories/${written}`,
      `/?q=${written}`,
    ]),
    ...[
      '/',
      '/signatures/',
      '/signatures/team/',
      '/api/v1/signatures',
      '/api/v1/changes?after=0',
      '/api/v1/audit',
      '/metrics',
    ],
    ...[
      `/api/v1/signatures/${id}`,
      `/api/v1/signatures/${id}/`,
      `/api/v1/signatures?digest=${digest}`,
      `/api/v1/blobs/${sha256}`,
      '/api/v1/mirrors',
      '/api/v1/wanted',
    ],
  ]
  const statuses: Record<number, number> = {}
  await attacked.whileReading(t, 'private reads', async () => {
    for (const path of paths)
      for (const by of [{}, { token }])
        for (const more of headers.slice(0, 4)) {
          const { status, body } = await attacked.ask('GET', encoded(path), { headers: more, ...by })
          statuses[status] = (statuses[status] ?? 0) + 1
          assert.ok(status < 500, path)
          // That which was asked for may be in the answer; what only the server knows may not.
          if (!decodeURIComponent(path.replace(/%(?![0-9a-f]{2})/gi, '')).includes('secret-project'))
            assert.ok(!body.includes('secret-project'), `${path} tells of it: ${body}`)
          assert.ok(!body.includes('"slot"') || !body.includes(sha256), path)
        }
  })
  t.diagnostic(JSON.stringify(statuses))
  await attacked.end()
})
