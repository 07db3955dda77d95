import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { parseScopeTemplate } from '../../src/access/claim-rule.ts'
import { audience, startIssuer } from '../identity/issuer.ts'
import { type Answer, ask, type TestServer, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { basic, extensionObject, extensionPath, putObject, registryRefusal } from './extension-client.ts'
import { startUpstream } from './upstream.ts'

const digest = exampleDigest('1')
const issuer = await startIssuer()
const rule = (claims: Record<string, string>, ...allow: string[]) => ({
  claims: new Map(Object.entries(claims)),
  allow: allow.map(parseScopeTemplate),
})

/** As GitHub documents it ("OpenID Connect reference", "Understanding the OIDC token"). */
const gitHub = (changed: Record<string, unknown> = {}) => ({
  jti: randomUUID(),
  sub: 'repo:octo-org/octo-repo:environment:production',
  environment: 'production',
  ref: 'refs/heads/main',
  sha: 'example-sha',
  repository: 'octo-org/octo-repo',
  repository_owner: 'octo-org',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '74',
  repository_owner_id: '65',
  run_id: 'example-run-id',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'example-workflow',
  head_ref: '',
  base_ref: '',
  event_name: 'workflow_dispatch',
  ref_type: 'branch',
  job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
  ...changed,
})

/** As GitLab documents it ("OpenID Connect (OIDC) Authentication Using ID Tokens", "Token payload"). */
const gitLab = (changed: Record<string, unknown> = {}) => ({
  namespace_id: '72',
  namespace_path: 'my-group',
  project_id: '20',
  project_path: 'my-group/my-project',
  user_id: '1',
  user_login: 'sample-user',
  user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'feature-branch-1',
  ref_type: 'branch',
  ref_path: 'refs/heads/feature-branch-1',
  ref_protected: 'true',
  groups_direct: ['mygroup/mysubgroup', 'myothergroup/myothersubgroup'],
  environment: 'test-environment2',
  environment_protected: 'false',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  project_visibility: 'public',
  ci_config_ref_uri: 'gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main',
  jti: randomUUID(),
  sub: 'project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1',
  ...changed,
})

const rules = [
  rule({ repository_id: '74', repository_owner_id: '65', ref: 'refs/heads/main' }, 'push:{repository}'),
  rule({ project_id: '20', ref_protected: 'true' }, 'push:gitlab/{project_path}'),
]

/** A signature put at a repository through one of the doors. */
type Door = (server: TestServer, authorization: string, repository: string) => Promise<Answer>

const blobFor = (repository: string) =>
  newBlob({ digest, reference: `registry.example.com/${repository}:1.0` })
const doors: Record<string, Door> = {
  POST: (server, authorization, repository) =>
    ask(server, 'POST', '/api/v1/signatures', { headers: { authorization }, body: blobFor(repository) }),
  'POST elsewhere': (server, authorization, repository) =>
    ask(server, 'POST', `/api/v1/signatures?repository=${repository}`, {
      headers: { authorization },
      body: blobFor(repository),
    }),
  PUT: (server, authorization, repository) =>
    ask(server, 'PUT', `/signatures/${repository}@${digest.replace(':', '=')}/signature-1`, {
      headers: { authorization },
      body: blobFor(repository),
    }),
  extension: (server, authorization, repository) =>
    putObject(server, extensionPath(repository, digest), extensionObject(blobFor(repository), digest), {
      authorization,
    }),
}

test('a job may upload to its own repository and nowhere else, through every door', async () => {
  const server = await testServer({ oidc: [issuer.config(rules)] })
  for (const [claims, own] of [
    [gitHub(), 'octo-org/octo-repo'],
    [gitLab(), 'gitlab/my-group/my-project'],
  ] as const) {
    const token = await issuer.token(claims)
    for (const [name, door] of Object.entries(doors))
      for (const authorization of [`Bearer ${token}`, basic('ci', token)]) {
        assert.equal((await door(server, authorization, own)).status, 201, name)
        for (const other of ['team/app', `${own}/more`, own.split('/')[0] ?? '', `${own}2`])
          assert.equal((await door(server, authorization, other)).status, 403, `${name} ${other}`)
      }
  }
  const { signatures } = (await ask(server, 'GET', '/api/v1/signatures')).json()
  assert.equal(signatures.length, 16)
  const { changes } = (await ask(server, 'GET', '/api/v1/changes')).json()
  const actors = new Set(changes.map(({ actor }: { actor: string }) => actor))
  assert.deepEqual(actors, new Set([gitHub().sub, gitLab().sub].map((sub) => `oidc:${issuer.url} ${sub}`)))
  assert.equal(
    (await ask(server, 'DELETE', '/api/v1/signatures/1?reason=x', { token: await issuer.token(gitHub()) }))
      .status,
    403,
  )
})

test('another repository, branch, audience, issuer or time, and another signature, may not', async () => {
  const server = await testServer({ oidc: [issuer.config(rules)] })
  const now = Math.floor(Date.now() / 1000)
  const stranger = await startIssuer()
  const good = await issuer.token(gitHub())
  const [header = '', payload = '', signature = ''] = good.split('.')
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const cases: [token: string, status: number, code: string][] = [
    [await issuer.token(gitHub({ repository_id: '75' })), 403, 'not-allowed'],
    // A name that was given up and taken by somebody else.
    [await issuer.token(gitHub({ repository_owner_id: '66' })), 403, 'not-allowed'],
    [await issuer.token(gitHub({ ref: 'refs/pull/1/merge' })), 403, 'not-allowed'],
    [await issuer.token(gitHub({ repository: '**' })), 403, 'not-allowed'],
    [await issuer.token(gitHub({ repository: ['octo-org/octo-repo'] })), 403, 'not-allowed'],
    [await issuer.token(gitHub({ exp: now - 31 })), 401, 'bad-credentials'],
    [await issuer.token(gitHub({ aud: 'https://github.com/octo-org' })), 401, 'bad-credentials'],
    [await issuer.token(gitHub({ iss: stranger.url })), 401, 'bad-credentials'],
    [await stranger.token(gitHub()), 401, 'bad-credentials'],
    [await stranger.token(gitHub({ iss: issuer.url })), 401, 'bad-credentials'],
    [`${encode({ alg: 'none' })}.${payload}.`, 401, 'bad-credentials'],
    [`${encode({ alg: 'none', kid: 'rsa' })}.${payload}.${signature}`, 401, 'bad-credentials'],
    [
      `${header}.${encode({ ...gitHub(), iss: issuer.url, aud: audience })}.${signature}`,
      401,
      'bad-credentials',
    ],
    [`${header}.${payload}.${signature.slice(0, -4)}AAAA`, 401, 'bad-credentials'],
    [`${header}.${payload}`, 401, 'bad-credentials'],
  ]
  for (const [token, status, code] of cases) {
    const answer = await doors.POST?.(server, `Bearer ${token}`, 'octo-org/octo-repo')
    assert.deepEqual([answer?.status, answer?.json().code], [status, code])
    const registered = await doors.extension?.(server, `Bearer ${token}`, 'octo-org/octo-repo')
    assert.equal(registered && registryRefusal(registered)[2], code)
  }
  assert.equal((await ask(server, 'GET', '/api/v1/signatures')).json().signatures.length, 0)
  assert.equal((await doors.POST?.(server, `Bearer ${good}`, 'octo-org/octo-repo'))?.status, 201)
})

test('an issuer that is down is no reason to call a token bad', async () => {
  const gone = await startIssuer()
  const server = await testServer({ oidc: [gone.config(rules)] })
  const authorization = `Bearer ${await gone.token(gitHub())}`
  await gone.server.stop()
  for (const [name, door] of Object.entries(doors)) {
    const answer = await door(server, authorization, 'octo-org/octo-repo')
    assert.equal(answer.status, 503, name)
    assert.match(String(answer.headers['retry-after']), /^([1-9]|[12][0-9]|30)$/)
  }
})

test('a token for this server never reaches the registry behind it, and one of the registry does', async () => {
  const upstream = await startUpstream(({ method, headers }, response) => {
    if (headers.authorization === undefined)
      return response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    return response.writeHead(method === 'POST' ? 202 : 200).end()
  })
  const server = await testServer({
    oidc: [issuer.config(rules)],
    registry: { upstream: upstream.origin, delegate: true, anonymous: false },
  })
  const good = await issuer.token(gitHub())
  const forged = `${good.split('.').slice(0, 2).join('.')}.AAAA`
  const put = (token: string) => doors.extension?.(server, `Bearer ${token}`, 'octo-org/octo-repo')
  assert.equal((await put(good))?.status, 201)
  assert.equal((await put(forged))?.status, 401)
  assert.equal((await put(await issuer.token(gitHub({ repository_id: '1' }))))?.status, 403)
  for (const authorization of [`Bearer ${good}`, basic('ci', good), `Bearer ${forged}`])
    for (const [method, path] of [
      ['GET', '/v2/'],
      ['GET', '/v2/octo-org/octo-repo/manifests/1.0'],
      ['PUT', '/v2/octo-org/octo-repo/manifests/1.0'],
      ['POST', '/v2/octo-org/octo-repo/blobs/uploads/'],
    ] as const)
      await ask(server, method, path, { headers: { authorization } })
  assert.ok(upstream.seen.length > 0)
  assert.ok(upstream.seen.every(({ headers }) => headers.authorization === undefined))
  const theirs = await issuer.token(gitHub({ aud: 'https://registry.example.com' }))
  assert.equal((await put(theirs))?.status, 201)
  assert.ok(upstream.seen.some(({ headers }) => headers.authorization === `Bearer ${theirs}`))
})
