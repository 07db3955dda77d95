import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { readPolicy } from '../../src/policy/policy.ts'
import { Refusal } from '../../src/refusal.ts'
import { anything, parsePolicy, parseRequirements, reject, signedBy, sigstore } from './documents.ts'

const withIdentity = (signedIdentity: unknown) => ({ ...signedBy, signedIdentity })

suite('a policy is refused:', () => {
  const refused: Record<string, [text: string | Uint8Array, message: RegExp]> = {
    empty: ['', /^The policy cannot be read: /],
    'that is null': ['null', /^The policy must be an object, in braces, not null\.$/],
    'that is a list': ['[]', /^The policy must be an object/],
    'without default': ['{"transports":{}}', /^The policy has no default; add it\.$/],
    'with an empty default': ['{"default":[]}', /^default is empty; to accept no image, write/],
    'with an object as default': ['{"default":{"type":"reject"}}', /^default must be a list of requirements/],
    'with an unknown key': [
      '{"default":[{"type":"reject"}],"Transports":{}}',
      /^Transports is not a known key; remove it: the policy may have default and transports\.$/,
    ],
    'with a key twice': ['{"default":[{"type":"reject"}],"default":[]}', /The key "default" stands twice/],
    'with a key twice, once escaped': [
      '{"default":[{"type":"reject","typ\\u0065":"reject"}]}',
      /"type" stands/,
    ],
    'with a scope twice': [
      '{"default":[{"type":"reject"}],"transports":{"docker":{"a":[],"a":[]}}}',
      /The key "a" stands twice/,
    ],
    'with null as transports': ['{"default":[{"type":"reject"}],"transports":null}', /^transports must be/],
    'with null as a transport': [
      '{"default":[{"type":"reject"}],"transports":{"x y":null}}',
      /^transports\["x y"] must be an object/,
    ],
    'with an empty scope': [
      '{"default":[{"type":"reject"}],"transports":{"docker":{"quay.io":[]}}}',
      /^transports\.docker\["quay\.io"] is empty/,
    ],
    'with a mistake in another transport': [
      '{"default":[{"type":"reject"}],"transports":{"atomic":{"":[{"type":"rejects"}]}}}',
      /^transports\.atomic\[""]\[0]\.type must be one of/,
    ],
    'with something behind it': ['{"default":[{"type":"reject"}]}x', /something follows/],
    'with a comment': ['{"default":[{"type":"reject"}]/**/}', /cannot be read/],
    'not in UTF-8': [
      Buffer.from('{"default":[{"type":"reject"}],"transports":{"\xff":{}}}', 'latin1'),
      /UTF-8/,
    ],
    'with half a surrogate pair': [
      '{"default":[{"type":"reject"}],"transports":{"\\ud800":{}}}',
      /half of a surrogate pair/,
    ],
  }
  for (const [name, [text, message]] of Object.entries(refused))
    test(name, () => assert.throws(() => readPolicy(Buffer.from(text)), { code: 'policy', message }))
})

test('every transport is kept, and any text is a scope', () => {
  const { transports } = parsePolicy({
    default: [reject],
    transports: { docker: { '': [anything], 'https://x': [reject] }, unknown: { '/a b': [reject] } },
  })
  assert.deepEqual([...transports.keys()], ['docker', 'unknown'])
  assert.deepEqual([...(transports.get('docker')?.keys() ?? [])], ['', 'https://x'])
  assert.equal(transports.get('unknown')?.get('/a b')?.[0]?.place, 'transports.unknown["/a b"][0]')
})

test('a policy may have no transports', () => {
  assert.equal(parsePolicy({ default: [anything] }).transports.size, 0)
})

suite('a scope of the docker transport', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const useful = [
    ...['', 'quay.io', 'localhost', 'localhost:5000', 'localhost:5000/a', 'quay.io/team', 'quay.io/team/app'],
    ...['quay.io/team/app:1.0', `quay.io/team/app@${digest}`, 'docker.io', 'docker.io/library/busybox:1'],
    ...['*.com', '*.example.com', 'registry.example.com:443/a/b'],
  ]
  const useless = [
    ...['busybox', 'library/busybox', 'https://quay.io', 'quay.io/', 'quay.io/Team', 'quay.io/*', '*', '*.'],
    ...[
      '*.example.com:443',
      '*.example.com/a',
      'index.docker.io/library',
      'docker.io/busybox:1',
      'quay.io:1.0/',
    ],
    ...[
      `quay.io/team/app:1@${digest}`,
      'quay.io/team/app:',
      '[::1]:5000/a',
      ' quay.io',
      'quay.io/a@sha256:0',
    ],
  ]
  for (const scope of [...useful, ...useless])
    test(`${JSON.stringify(scope)} is ${useful.includes(scope) ? 'taken' : 'warned of'}`, () => {
      const { warnings } = parsePolicy({ default: [reject], transports: { docker: { [scope]: [reject] } } })
      assert.equal(warnings.length, useful.includes(scope) ? 0 : 1)
    })

  test('has its place in the warning', () => {
    const { warnings } = parsePolicy({ default: [reject], transports: { docker: { busybox: [reject] } } })
    assert.match(warnings[0] ?? '', /^transports\.docker\.busybox counts for no image: /)
  })

  test('of another transport is not looked at', () => {
    const { warnings } = parsePolicy({ default: [reject], transports: { dir: { 'a b': [reject] } } })
    assert.deepEqual(warnings, [])
  })
})

test('whatever JSON it is, it is a policy or refused as one that cannot be used', () => {
  const words = [
    'type',
    'default',
    'transports',
    'docker',
    'signedBy',
    'keyPath',
    'keyType',
    'signedIdentity',
  ]
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, 1, true, '', 'GPGKeys', 'reject', ...words),
      fc.constantFrom(
        signedBy,
        reject,
        anything,
        sigstore,
        withIdentity({ type: 'exactReference', dockerReference: 'busybox:1' }),
        withIdentity({ type: 'remapIdentity', prefix: 'quay.io', signedPrefix: 'docker.io' }),
      ),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...words), fc.string()), tie('tree'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(tree, tree, fc.boolean(), (first, transports, whole) => {
      try {
        parsePolicy(whole ? first : { default: [first], transports })
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error))
        assert.equal(error.code, 'policy')
      }
    }),
    { numRuns: 2000 },
  )
})

test('refusals quote little of what was written', () => {
  const long = 'x'.repeat(1_000_000)
  for (const document of [{ type: long }, { ...reject, [long]: 1 }, { type: 'signedBy', keyType: long }])
    assert.throws(
      () => parseRequirements(document),
      (error: Error) => error.message.length < 1000,
    )
})
