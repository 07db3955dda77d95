import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob, variantOf } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { answering } from './answering.ts'
import { lookaside } from './run.ts'

const server = await testServer()
const token = await server.token('push:**')
const folder = temporaryFolder()

/** A folder with these files, by their paths. */
function tree(files: Record<string, Uint8Array>): string {
  const root = mkdtempSync(join(folder, 'tree-'))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return root
}

function slotPath(repository: string, digest: string, slot: number): string {
  return `${repository}@${digest.replace(':', '=')}/signature-${slot}`
}

async function slotsOf(repository: string, digest: string, { port } = server): Promise<Buffer[]> {
  const slots: Buffer[] = []
  for (let slot = 1; ; slot++) {
    const { status, body } = await ask({ port }, 'GET', `/signatures/${slotPath(repository, digest, slot)}`)
    if (status !== 200) return slots
    slots.push(body)
  }
}

const push = (args: string[], { origin = server.origin, ...env }: Record<string, string> = {}) =>
  lookaside(['push', ...args], { env: { LOOKASIDE_SERVER: origin, LOOKASIDE_TOKEN: token, ...env } })

test('a file goes where its claim belongs, and the printed URL reads it; once more changes nothing', async () => {
  const digest = exampleDigest('1')
  const blob = newBlob({ digest })
  const file = join(tree({ 'busybox.sig': blob }), 'busybox.sig')
  const first = await push([file])
  const url = `${server.origin}/signatures/${slotPath('team/app', digest, 1)}`
  assert.deepEqual(first, { code: 0, stdout: `added ${url}\n`, stderr: '' })
  assert.deepEqual((await ask(server, 'GET', new URL(url).pathname)).body, blob)
  assert.deepEqual(await push([file]), { code: 0, stdout: `present ${url}\n`, stderr: '' })
})

test('a tree is merged by what is signed: slot numbers and forms of one signature mean nothing', async () => {
  const digest = exampleDigest('2')
  const [a, b, c] = [newBlob({ digest }), newBlob({ digest }), newBlob({ digest })]
  const ours = tree({ [slotPath('team/app', digest, 1)]: a, [slotPath('team/app', digest, 2)]: b })
  const theirs = tree({
    [slotPath('team/app', digest, 1)]: variantOf(b),
    [slotPath('team/app', digest, 2)]: c,
    [slotPath('team/app', digest, 10)]: a,
  })
  assert.equal((await push([ours])).code, 0)
  const { code, stdout, stderr } = await push([theirs])
  assert.equal(code, 0)
  assert.deepEqual(
    stdout.split('\n').map((line) => line.replace(/ .*-/, ' ')),
    ['present 2', 'added 3', 'present 1', ''],
  )
  assert.equal(stderr, '1 added, 2 already there, 0 refused or left out\n')
  assert.deepEqual(await slotsOf('team/app', digest), [a, b, c])
})

test('the signatures of a digest keep their order, however many digests go at once', async () => {
  const digests = [...'0123456789abcdef'].map((letter) => exampleDigest(letter))
  const blobs = digests.map((digest) =>
    Array.from({ length: 12 }, () => newBlob({ digest, reference: 'registry.example.com/many:1' })),
  )
  const files = digests.flatMap((digest, at) =>
    (blobs[at] ?? []).map((blob, index) => [slotPath('many', digest, index + 1), blob] as const),
  )
  const { code, stderr } = await push([tree(Object.fromEntries(files))])
  assert.equal(stderr, '192 added, 0 already there, 0 refused or left out\n')
  assert.equal(code, 0)
  for (const [index, digest] of digests.entries())
    assert.deepEqual(await slotsOf('many', digest), blobs[index])
})

test('a signed image that was copied is put where it was copied to, by those who may', async () => {
  const digest = exampleDigest('3')
  const [home, copy] = [newBlob({ digest }), newBlob({ digest })]
  const root = tree({ [slotPath('team/app', digest, 1)]: home, [slotPath('prod/app', digest, 1)]: copy })
  const refused = await push([root])
  assert.equal(refused.code, 1)
  assert.match(
    refused.stdout,
    /^refused .*prod\/app@sha256=3+\/signature-1: identity-mismatch: .*relocate:prod\/app\n/m,
  )
  assert.match(refused.stdout, /^added .*\/team\/app@/m)
  const mover = await server.token('push:**', 'relocate:prod/**')
  assert.equal((await push([root], { LOOKASIDE_TOKEN: mover })).code, 0)
  assert.deepEqual(await slotsOf('team/app', digest), [home])
  assert.deepEqual(await slotsOf('prod/app', digest), [copy])
})

test('where the server keeps a registry under a prefix, copies go below it too', async () => {
  const prefixed = await testServer({
    registries: [{ host: 'registry.example.com', prefix: 'example' as never }],
  })
  const digest = exampleDigest('4')
  const [home, copy] = [newBlob({ digest }), newBlob({ digest })]
  const root = tree({ [slotPath('team/app', digest, 1)]: home, [slotPath('prod/app', digest, 1)]: copy })
  const mover = await prefixed.token('push:example/**', 'relocate:example/**')
  const { code } = await push([root, '--prefix', 'example'], {
    origin: prefixed.origin,
    LOOKASIDE_TOKEN: mover,
  })
  assert.equal(code, 0)
  assert.deepEqual(await slotsOf('example/team/app', digest, prefixed), [home])
  assert.deepEqual(await slotsOf('example/prod/app', digest, prefixed), [copy])
})

test('a file can be put at a repository that is named', async () => {
  const digest = exampleDigest('5')
  const blob = newBlob({ digest })
  const file = join(tree({ a: blob }), 'a')
  const refused = await push([file, '--repository', 'mirror/app'])
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /identity-mismatch/)
  const mover = await server.token('push:**', 'relocate:**')
  assert.equal((await push([file, '--repository', 'mirror/app'], { LOOKASIDE_TOKEN: mover })).code, 0)
  assert.deepEqual(await slotsOf('mirror/app', digest), [blob])
})

test('each file that is refused or left out is named with the reason, and the rest goes on', async () => {
  const [digest, other] = [exampleDigest('6'), exampleDigest('7')]
  const root = tree({
    [slotPath('team/app', digest, 1)]: Buffer.from('<html>'),
    [slotPath('team/app', digest, 2)]: newBlob({ digest }),
    [slotPath('team/app', digest, 3)]: newBlob({ digest: other }),
    [slotPath('team/app', digest, 4)]: Buffer.alloc(4 * 1024 * 1024 + 1, 0xa3),
    [slotPath('team/app', digest, 5)]: new Uint8Array(),
    'README\x1b[2J': Buffer.from('hello'),
  })
  const secret = join(root, 'secret')
  writeFileSync(secret, newBlob({ digest }))
  symlinkSync(secret, join(root, slotPath('team/app', digest, 6)))
  symlinkSync(root, join(root, 'loop'))
  const { code, stdout, stderr } = await push([root])
  assert.equal(code, 1)
  assert.equal(stderr, '1 added, 0 already there, 8 refused or left out\n')
  assert.ok(!stdout.includes('\x1b'))
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(`${root}/`, '').replace(/@sha256=6+\//, '@/'))
  assert.equal(lines.length, 9)
  for (const expected of [
    /^left out loop: bad-request: /,
    /^left out README\\u\{1b\}\[2J: bad-request: It is not called/,
    /^left out secret: bad-request: /,
    /^refused team\/app@\/signature-1: not-openpgp: /,
    /^added .*\/signature-1$/,
    /^left out team\/app@\/signature-3: digest-mismatch: Its claim is about sha256:7+, /,
    /^left out team\/app@\/signature-4: too-large: /,
    /^refused team\/app@\/signature-5: empty: /,
    /^left out team\/app@\/signature-6: bad-request: .*no regular file$/,
  ])
    assert.equal(lines.filter((line) => expected.test(line)).length, 1, `${expected} in\n${stdout}`)
  assert.equal((await slotsOf('team/app', other)).length, 0)

  const again = await push([root, '--json'])
  assert.equal(again.code, 1)
  const results = JSON.parse(again.stdout) as Record<string, unknown>[]
  const present = results.find(({ outcome }) => outcome === 'present')
  assert.equal(present?.path, join(root, slotPath('team/app', digest, 2)))
  assert.equal(present?.digest, digest)
  assert.equal(typeof present?.id, 'number')
  const refused = results.find(({ outcome }) => outcome === 'refused')
  assert.deepEqual([refused?.status, refused?.code, typeof refused?.detail], [422, 'not-openpgp', 'string'])
})

test('what the server warns of is told', async () => {
  const file = join(
    tree({ a: newBlob({ digest: exampleDigest('8'), reference: 'registry.example.com/team/app' }) }),
    'a',
  )
  const { code, stderr } = await push([file])
  assert.equal(code, 0)
  assert.match(stderr, /a: The reference has neither tag nor digest/)
})

test('wrong usage sends nothing and exits 2', async () => {
  let asked = 0
  const { url } = await answering((_request, response) => {
    asked++
    response.end('{}')
  })
  const root = tree({ [slotPath('team/app', exampleDigest('9'), 1)]: newBlob(), a: newBlob() })
  const wrong: [string[], Record<string, string>, RegExp][] = [
    [[join(root, 'a')], { LOOKASIDE_TOKEN: '' }, /An upload takes a token/],
    [[join(root, 'a'), join(root, 'missing')], {}, /no file or folder to be read at .*missing/],
    [['/dev/null'], {}, /neither a file nor a folder/],
    [[root, '--repository', 'team/app'], {}, /--repository is for single files/],
    [[root, '--prefix', 'Not/One'], {}, /must be lower-case/],
    [[], {}, /missing required argument/],
  ]
  const answers = await Promise.all(wrong.map(([args, env]) => push(args, { origin: url, ...env })))
  for (const [index, { code, stdout, stderr }] of answers.entries()) {
    assert.match(stderr, wrong[index]?.[2] ?? /never/)
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
  }
  assert.equal(asked, 0)
})

test('with a token that is not known nothing more is tried', async () => {
  const files = [...'0123456789abcdef'].flatMap((letter) =>
    [1, 2, 3].map((slot) => [
      slotPath('team/app', exampleDigest(letter), slot),
      newBlob({ digest: exampleDigest(letter) }),
    ]),
  )
  const stranger = token.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))
  const { code, stdout, stderr } = await push([tree(Object.fromEntries(files))], {
    LOOKASIDE_TOKEN: stranger,
  })
  assert.equal(code, 2)
  assert.match(stdout, /^(?:refused .*: bad-credentials: The token is not known here\n){1,16}$/)
  assert.match(stderr, /lookaside: [0-9]+ of 48 files remain/)
  assert.ok(!`${stdout}${stderr}`.includes(stranger))
})

test('a failing server ends it with 3; what was done and what remains is told', async () => {
  let count = 0
  const { url } = await answering((request, response) => {
    request.resume().on('end', () => {
      const isFine = ++count <= 2
      response.writeHead(isFine ? 201 : 507)
      response.end(
        JSON.stringify(
          isFine ? { url: 'https://x/\x1b[2J' } : { code: 'disk-full', detail: 'The disk is full' },
        ),
      )
    })
  })
  const digest = exampleDigest('a')
  const files = Array.from({ length: 6 }, (_, index) => [
    slotPath('team/app', digest, index + 1),
    newBlob({ digest }),
  ])
  const root = tree(Object.fromEntries(files))
  const { code, stdout, stderr } = await push([root], { origin: url, DEBUG: '1' })
  assert.equal(code, 3)
  assert.equal(stdout, 'added https://x/\\u{1b}[2J\n'.repeat(2))
  assert.match(stderr, /lookaside: disk-full: The disk is full\nlookaside: 4 of 6 files remain; push again/)
  assert.ok(!stderr.includes(token))
  count = 0
  const documents = JSON.parse((await push([root, '--json'], { origin: url })).stdout) as Record<
    string,
    unknown
  >[]
  assert.deepEqual(
    documents.map(({ outcome }) => outcome),
    ['added', 'added', 'failed', 'untried', 'untried', 'untried'],
  )
})

test('a server that is not there exits 3', async () => {
  const file = join(tree({ a: newBlob() }), 'a')
  const { code, stderr } = await push([file], { origin: 'http://127.0.0.1:1' })
  assert.equal(code, 3)
  assert.match(stderr, /Nothing listens at http:\/\/127\.0\.0\.1:1/)
})

test('an empty folder is no failure, and says so', async () => {
  const { code, stdout, stderr } = await push([tree({})])
  assert.deepEqual([code, stdout, stderr], [0, '', '0 added, 0 already there, 0 refused or left out\n'])
})
