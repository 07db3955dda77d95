import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { answering } from './answering.ts'
import { lookaside } from './run.ts'

const server = await testServer()
const token = await server.token('push:**')
const digest = exampleDigest('1')
const count = 230

const upload = async (claim: { digest?: string; reference?: string }) => {
  const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob(claim) })
  assert.equal(answer.status, 201)
}
// More than a page; the last one alone is of another image.
for (let index = 1; index < count; index++) {
  const repository = `team/app-${index % 5}`
  await upload({
    digest: exampleDigest(String(index % 10)),
    reference: `registry.example.com/${repository}:${index}`,
  })
}
await upload({ digest, reference: 'registry.example.com/team/other:1.0' })

const list = (args: string[] = [], { origin = server.origin, ...env }: Record<string, string> = {}) =>
  lookaside(['list', ...args], { env: { LOOKASIDE_SERVER: origin, ...env } })

test('every signature is a line, oldest first, with whole digests to be pasted', async () => {
  const { code, stdout, stderr } = await list()
  assert.deepEqual([code, stderr], [0, ''])
  const [heading, ...lines] = stdout.trimEnd().split('\n')
  assert.match(
    heading ?? '',
    /^ +ID +SLOT +ADDED +VERDICT +UNVERIFIED KEY +REPOSITORY@DIGEST +CLAIMED REFERENCE$/,
  )
  assert.equal(lines.length, count)
  assert.deepEqual(
    lines.map((line) => Number(line.trim().split(' ')[0])),
    Array.from({ length: count }, (_, index) => index + 1),
  )
  assert.match(
    lines.at(-1) ?? '',
    /^ {4}230 {5}1 {2}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}unknown-key {6}0123456789ABCDEF {2}team\/other@sha256:1{64} {2}registry\.example\.com\/team\/other:1\.0$/,
  )
})

test('the documents of the server are printed as JSON', async () => {
  const { code, stdout } = await list(['--json'])
  assert.equal(code, 0)
  const documents = JSON.parse(stdout) as Record<string, unknown>[]
  assert.equal(documents.length, count)
  const one = await ask(server, 'GET', `/api/v1/signatures/${count}`)
  assert.deepEqual(documents.at(-1), one.json())
  assert.deepEqual(JSON.parse((await list(['team/none', '--json'])).stdout), [])
})

test('a repository, a digest, a key and a limit narrow it', async () => {
  const ids = async (...args: string[]) => {
    const { code, stdout, stderr } = await list([...args, '--json'])
    assert.equal(code, 0, stderr)
    return (JSON.parse(stdout) as { id: number }[]).map(({ id }) => id)
  }
  const all = Array.from({ length: count }, (_, index) => index + 1)
  const cases: [string[], number[]][] = [
    [['team/other'], [count]],
    [[`team/other@${digest}`], [count]],
    [[digest], all.filter((id) => id % 10 === 1 || id === count)],
    [
      ['--limit', '3'],
      [1, 2, 3],
    ],
    [['--limit', '150'], all.slice(0, 150)],
    [['--key', '0011 2233 4455 6677 8899  AABB 0123 4567 89AB CDEF'], all],
    [['--key', 'ffffffffffffffff'], []],
  ]
  const answers = await Promise.all(cases.map(([args]) => ids(...args)))
  for (const [index, answer] of answers.entries()) assert.deepEqual(answer, cases[index]?.[1])
})

test('where there is none, that is said, and it is no failure', async () => {
  assert.deepEqual(await list(['team/none']), {
    code: 0,
    stdout: '',
    stderr: 'There is no such signature.\n',
  })
})

test('what is not a repository, digest, key or number exits 2', async () => {
  const wrong = [
    ['Team/App'],
    ['team/app@sha256:12'],
    ['--limit', '0'],
    ['--limit', 'x'],
    ['--key', 'me'],
    ['a', 'b'],
  ]
  const answers = await Promise.all(wrong.map((args) => list(args)))
  for (const [index, { code, stdout }] of answers.entries())
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, String(wrong[index]))
})

test('nothing of a hostile claim reaches the terminal but text', async () => {
  const hostile = '\x1b]0;pwned\x07\x1b[1A\x1b[2Kregistry.example.com/safe\r\n\u202e'
  const { url } = await answering((_request, response) => {
    const signature = {
      id: 1,
      slot: '\x9b1A',
      added: '2030-01-01T00:00:00.000Z',
      signer: { unverifiedKeyId: '\x1b[31m' },
      repository: 'a\nb',
      digest,
      claim: { critical: { identity: { 'docker-reference': hostile } } },
    }
    response.end(
      JSON.stringify({
        signatures: [signature, { ...signature, claim: null, signer: null, added: 7 }],
        next: null,
      }),
    )
  })
  const { code, stdout } = await list([], { origin: url })
  assert.equal(code, 0)
  assert.equal(stdout.split('\n').length, 4)
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
  assert.match(stdout, /\\u\{1b\}\]0;pwned\\u\{7\}/)
})

test('a server whose pages lead nowhere, or round in circles, is not followed', async () => {
  for (const document of [
    {},
    { signatures: [], next: 0 },
    { signatures: {}, next: null },
    { signatures: [] },
  ]) {
    let asked = 0
    const { url } = await answering((_request, response) => {
      asked++
      response.end(JSON.stringify(document))
    })
    const { code, stderr } = await list([], { origin: url })
    assert.equal(code, 3)
    assert.match(stderr, /not a lookaside server/)
    assert.equal(asked, 1)
  }
})

test('a reader that has enough ends it quietly', async () => {
  let pages = 0
  const { url } = await answering((_request, response) => {
    pages++
    const signatures = Array.from({ length: 100 }, (_, index) => ({ id: pages * 100 + index, claim: {} }))
    response.end(JSON.stringify({ signatures, next: pages }))
  })
  const program = join(import.meta.dirname, '../../src/lookaside.js')
  const child = spawn(process.execPath, [program, 'list', '--server', url], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {},
  })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = await once(child, 'close')
  assert.deepEqual({ code, errors }, { code: 0, errors: '' })
})

test('a private server is read with a token', async () => {
  const closed = await testServer({ reads: { cacheSeconds: 0, private: true } })
  const { code, stderr } = await list([], { origin: closed.origin })
  assert.equal(code, 2)
  assert.match(stderr, /A token is needed/)
  const reader = await closed.token('read:**')
  assert.equal((await list([], { origin: closed.origin, LOOKASIDE_TOKEN: reader })).code, 0)
})
