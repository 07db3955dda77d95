import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loader, refuses } from './loader.ts'

const entry = (changed: Record<string, unknown> = {}) => ({
  issuer: 'https://id.example.com',
  audience: 'https://sigs.example.com',
  rules: [{ claims: { project: '1' }, allow: ['push:team/app'] }],
  ...changed,
})
const yaml = (...entries: object[]) => JSON.stringify({ oidc: entries })

test('issuers are read, and what is not said has safe defaults', (t) => {
  const { load } = loader(t)
  assert.deepEqual(load({}).oidc, [])
  const rules = [{ claims: { project: '1', id: 7, protected: true }, allow: ['push:{path}', 'admin'] }]
  assert.deepEqual(load({ yaml: yaml(entry({ rules })) }).oidc, [
    {
      issuer: 'https://id.example.com',
      audience: 'https://sigs.example.com',
      algorithms: ['RS256', 'ES256'],
      maxLifetimeSeconds: 86_400,
      rules: [
        {
          claims: new Map<string, unknown>([
            ['project', '1'],
            ['id', 7],
            ['protected', true],
          ]),
          allow: ['push:{path}', 'admin'],
        },
      ],
    },
  ])
  assert.equal(load({ yaml: yaml(entry({ issuer: 'http://localhost:8080' })) }).oidc.length, 1)
})

test('a rule that would let everybody in is refused', (t) => {
  const { load } = loader(t)
  const place = 'etc/lookaside.yaml:1: oidc[0].rules[0]'
  refuses(
    load,
    { yaml: yaml(entry({ rules: [{ claims: {}, allow: ['push:**'] }] })) },
    `${place}.claims must not be empty: every token would match`,
  )
  const gitHub = 'https://token.actions.githubusercontent.com'
  const ref = [{ claims: { ref: 'refs/heads/main' }, allow: ['push:{repository}'] }]
  refuses(
    load,
    { yaml: yaml(entry({ issuer: gitHub, rules: ref })) },
    `${place}.claims must have one of repository_id, repository, repository_owner_id, repository_owner, sub, job_workflow_ref: everybody has tokens of ${gitHub}`,
  )
  refuses(load, { yaml: yaml(entry({ rules: [{ allow: ['push:**'] }] })) }, `${place} has no claims`)
})

test('what cannot be trusted or understood is refused at its place', (t) => {
  const { load } = loader(t)
  const place = 'etc/lookaside.yaml:1: oidc[0]'
  const cases: [changed: Record<string, unknown>, message: string][] = [
    [
      { issuer: 'http://id.example.com' },
      `${place}.issuer must be an https URL without credentials or query, not "http://id.example.com"`,
    ],
    [
      { issuer: 'https://a:b@id.example.com' },
      `${place}.issuer must be an https URL without credentials or query`,
    ],
    [
      { jwksUri: 'file:///keys' },
      `${place}.jwksUri must be an https URL without credentials or query, not "file:///keys"`,
    ],
    [{ audience: '' }, `${place}.audience must be text that is not empty, not ""`],
    [{ rules: [] }, `${place}.rules must be a list that is not empty`],
  ]
  for (const [changed, message] of cases) refuses(load, { yaml: yaml(entry(changed)) }, message)
  for (const algorithms of [['none'], ['HS256'], ['RS1'], []])
    assert.throws(() => load({ yaml: yaml(entry({ algorithms })) }), /oidc\[0\]\.algorithms/)
  for (const value of [null, ['1'], { a: 1 }, 1.5])
    assert.throws(
      () => load({ yaml: yaml(entry({ rules: [{ claims: { a: value }, allow: ['admin'] }] })) }),
      /claims\.a/,
    )
  for (const allow of [['push:Team'], ['pull:a'], [], ['push:{a']])
    assert.throws(() => load({ yaml: yaml(entry({ rules: [{ claims: { a: '1' }, allow }] })) }), /allow/)
  refuses(
    load,
    { yaml: yaml(entry(), entry()) },
    'etc/lookaside.yaml:1: oidc[1].issuer is there twice: https://id.example.com',
  )
})
