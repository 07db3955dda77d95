import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { blobOf, push, read, upload } from '../http/withdrawing.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { answering } from './answering.ts'
import { lookaside, type Ran } from './run.ts'

const server = await testServer()
const token = await server.token('withdraw:**')

const run = (args: string[], { origin = server.origin, ...env }: Record<string, string> = {}): Promise<Ran> =>
  lookaside(args, { env: { LOOKASIDE_SERVER: origin, LOOKASIDE_TOKEN: token, ...env } })
const because = ['--reason', 'published by mistake']

suite('one signature', async () => {
  const digest = exampleDigest('1')
  const blob = newBlob({ digest })
  const id = String(await upload(server, blob))

  test('is withdrawn by its number; once more changes nothing', async () => {
    assert.deepEqual(await run(['withdraw', id, ...because]), {
      code: 0,
      stdout: `withdrawn ${id} team/app@${digest}\n`,
      stderr: '1 signature withdrawn\n',
    })
    assert.deepEqual(await read(server, digest), [])
    assert.deepEqual(await run(['withdraw', id, ...because]), {
      code: 0,
      stdout: '',
      stderr: '0 signatures withdrawn\n',
    })
  })

  test('is reinstated by its number', async () => {
    const url = `${server.origin}/signatures/team/app@${digest.replace(':', '=')}/signature-1`
    assert.deepEqual(await run(['reinstate', id, '--reason', 'it was good']), {
      code: 0,
      stdout: `reinstated ${url}\n`,
      stderr: '',
    })
    assert.deepEqual(await read(server, digest), [blob])
    const { changes } = (await ask(server, 'GET', '/api/v1/changes?limit=1000')).json()
    assert.deepEqual(
      changes.filter(({ signature }: any) => signature === Number(id)).map(({ reason }: any) => reason),
      [null, 'published by mistake', 'it was good'],
    )
  })

  test('that is not there is the answer no', async () => {
    for (const args of [
      ['withdraw', '999'],
      ['reinstate', '999'],
    ]) {
      const { code, stdout, stderr } = await run([...args, ...because])
      assert.deepEqual([code, stdout, stderr], [1, '', 'lookaside: not-found: There is no signature 999\n'])
    }
  })
})

test('all of an image, and nothing else, as documents', async () => {
  const [digest, kept] = [exampleDigest('2'), exampleDigest('3')]
  const ids = [await upload(server, newBlob({ digest })), await upload(server, newBlob({ digest }))]
  await upload(server, newBlob({ digest: kept }))
  const { code, stdout } = await run(['withdraw', `team/app@${digest}`, ...because, '--json'])
  assert.equal(code, 0)
  const documents = JSON.parse(stdout) as { id: number; repository: string; digest: string; change: number }[]
  assert.deepEqual(
    documents.map(({ id, repository, digest }) => [id, repository, digest]),
    ids.map((id) => [id, 'team/app', digest]),
  )
  assert.equal((await read(server, kept)).length, 1)
})

suite('all by a key', async () => {
  const many = await testServer()
  const account = { origin: many.origin, LOOKASIDE_TOKEN: await many.token('withdraw:**') }
  const fingerprint = '5D'.repeat(20)
  const spaced = fingerprint.replace(/(.{4})/g, '$1 ').trim()
  // More than is printed, and more than one answer has.
  const count = 2300
  const claims = Array.from({ length: count }, (_, number) => ({
    digest: exampleDigest((number % 16).toString(16)),
    reference: `registry.example.com/many/app-${number % 144}:1`,
  }))
  const blobs = claims.map((claim, number) => blobOf(fingerprint, number, claim)).values()
  // A connection each: more than a few hundred at once are more than wait for a server to take them.
  const uploader = async () => {
    for (const blob of blobs) await upload(many, blob)
  }
  await Promise.all(Array.from({ length: 50 }, uploader))
  const elsewhere = { digest: exampleDigest('4'), reference: 'registry.example.com/prod/app:1' }
  const there = await upload(many, blobOf(fingerprint, 1, elsewhere))

  test('at one repository alone', async () => {
    const { code, stdout } = await run(['withdraw', '--key', spaced, 'prod/app', ...because], account)
    assert.deepEqual([code, stdout], [0, `withdrawn ${there} prod/app@${elsewhere.digest}\n`])
  })

  test('everywhere, when the key is banned', async () => {
    const { code, stdout, stderr } = await run(['ban-key', spaced.toLowerCase(), ...because], account)
    assert.equal(code, 0, stderr)
    const [banned, ...lines] = stdout.trimEnd().split('\n')
    assert.equal(banned, `banned ${fingerprint}`)
    assert.equal(lines.length, 201)
    assert.equal(lines.at(-1), `… and ${count - 200} more`)
    assert.equal(stderr, `${count} signatures withdrawn\n`)
    const left = await ask(many, 'GET', `/api/v1/signatures?key=${fingerprint}`)
    assert.deepEqual(left.json().signatures, [])
    assert.equal((await push(many, blobOf(fingerprint, 9999))).json().code, 'key-banned')
  })

  test('a ban is lifted, once', async () => {
    assert.deepEqual(await run(['ban-key', fingerprint, '--lift'], account), {
      code: 0,
      stdout: `lifted ${fingerprint}\n`,
      stderr: '',
    })
    assert.equal((await push(many, blobOf(fingerprint, 9999))).status, 201)
    const { code, stderr } = await run(['ban-key', fingerprint, '--lift'], account)
    assert.deepEqual([code, stderr], [1, `lookaside: not-found: The key ${fingerprint} is not banned\n`])
  })
})

suite('where the first answer is lost, and the request sent again', () => {
  const earlier = 'lookaside: the answer to an earlier attempt was lost; '
  const untold = `${earlier}what that may have withdrawn is not shown\n`

  test('what was withdrawn before is not passed over in silence', async () => {
    const key = '6E'.repeat(20)
    const ids = [await upload(server, blobOf(key, 1)), await upload(server, blobOf(key, 2))]
    assert.deepEqual(await run(['withdraw', String(ids[0]), ...because], { origin: await losing() }), {
      code: 0,
      stdout: '',
      stderr: `${untold}0 signatures withdrawn\n`,
    })
    const banned = await run(['ban-key', key, ...because, '--json'], { origin: await losing() })
    assert.deepEqual(JSON.parse(banned.stdout), { banned: key, withdrawn: [] })
    assert.deepEqual([banned.code, banned.stderr], [0, untold])
    const { changes } = (await ask(server, 'GET', '/api/v1/changes?limit=1000')).json()
    const withdrawn = changes.filter(({ signature, reason }: any) => ids.includes(signature) && reason)
    assert.equal(withdrawn.length, 2)
  })

  test('a ban that is lifted is lifted, and one that never was is not', async () => {
    const key = '7F'.repeat(20)
    const lift = ['ban-key', key, '--lift']
    assert.equal((await run(['ban-key', key, ...because])).code, 0)
    assert.deepEqual(await run(lift, { origin: await losing() }), {
      code: 0,
      stdout: `lifted ${key}\n`,
      stderr: `${earlier}the key is not banned now\n`,
    })
    assert.equal((await run(lift)).code, 1)
    const refused = await run(lift, { origin: await losing({ isBusy: true }) })
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
  })

  /** In front of the server: the first answer does not arrive, or is that nothing was done. */
  async function losing({ isBusy = false } = {}): Promise<string> {
    let count = 0
    const { url } = await answering(async (request, response) => {
      const isFirst = ++count === 1
      if (isFirst && isBusy) return response.writeHead(503).end('{}')
      const { status, body } = await ask(server, request.method as string, request.url as string, { token })
      if (isFirst) return request.socket.destroy()
      return response.writeHead(status).end(body)
    })
    return url
  }
})

suite('the keys that are banned', async () => {
  const [first, second] = ['1A'.repeat(20), '2B'.repeat(32)]
  const open = await testServer()
  const account = { origin: open.origin, LOOKASIDE_TOKEN: await open.token('withdraw:**') }

  test('are none', async () => {
    const { code, stdout, stderr } = await run(['ban-key', '--list'], account)
    assert.deepEqual([code, stdout, stderr], [0, '', 'No key is banned.\n'])
    assert.deepEqual(JSON.parse((await run(['ban-key', '--list', '--json'], account)).stdout), { keys: [] })
  })

  test('are listed with when, by whom and why, for everybody where reads are open', async () => {
    for (const [key, reason] of [
      [second, 'sold with the laptop'],
      [first, 'laptop stolen'],
    ] as const)
      assert.equal((await run(['ban-key', key, '--reason', reason], account)).code, 0)
    const anybody = { ...account, LOOKASIDE_TOKEN: '' }
    const { code, stdout } = await run(['ban-key', '--list'], anybody)
    assert.equal(code, 0)
    const line = /^(\S+) {2}(\d{4}-\d\d-\d\dT[\d:.]+Z) {2}token:\S+ tester {2}(.*)$/
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((text) => line.exec(text)?.filter((_, group) => group % 2)),
      [
        [first, 'laptop stolen'],
        [second, 'sold with the laptop'],
      ],
    )
    const { keys } = JSON.parse((await run(['ban-key', '--list', '--json'], anybody)).stdout)
    assert.deepEqual({ keys }, (await ask(open, 'GET', '/api/v1/banned-keys')).json())
    assert.equal(keys[1].reason, 'sold with the laptop')
  })

  test('are for who may read everything where reads are private, and who banned them for the administrator', async () => {
    const closed = await testServer({ reads: { cacheSeconds: 0, private: true } })
    const as = async (...scopes: string[]) => ({
      origin: closed.origin,
      LOOKASIDE_TOKEN: scopes.length ? await closed.token(...scopes) : '',
    })
    assert.equal((await run(['ban-key', first, ...because], await as('withdraw:**'))).code, 0)
    assert.match((await run(['ban-key', '--list'], await as('read:**'))).stdout, /Z {2}- {2}-\n$/)
    assert.match(
      (await run(['ban-key', '--list'], await as('admin'))).stdout,
      / tester {2}published by mistake\n$/,
    )
    for (const scopes of [[], ['read:team/**'], ['withdraw:**']]) {
      const { code, stdout } = await run(['ban-key', '--list'], await as(...scopes))
      assert.deepEqual([code, stdout], [2, ''])
    }
  })

  test('cannot lead a terminal astray, whatever a server answers', async () => {
    const bans = [{ fingerprint: first, time: '2026-01-01T00:00:00Z', actor: 'token:1', reason: 'a\x1b[2J' }]
    const answers = [JSON.stringify({ keys: bans }), '{"signatures": []}']
    const { url } = await answering((_request, response) => response.end(answers.shift()))
    const { stdout } = await run(['ban-key', '--list'], { origin: url })
    assert.match(stdout, /token:1 {2}a\\u\{1b\}\[2J\n$/)
    const none = await run(['ban-key', '--list'], { origin: url })
    assert.deepEqual([none.code, none.stdout], [3, ''])
    assert.match(none.stderr, /not a lookaside server/)
  })
})

test('wrong usage sends nothing and exits 2', async () => {
  let asked = 0
  const { url } = await answering((_request, response) => {
    asked++
    response.end('{}')
  })
  const wrong: [string[], Record<string, string>, RegExp][] = [
    [['withdraw', '1'], {}, /--reason/],
    [['withdraw', ...because], {}, /Say what to withdraw/],
    [['withdraw', 'team/app', ...because], {}, /Say what to withdraw/],
    [['withdraw', `team/app@sha256:${'a'.repeat(63)}`, ...because], {}, /digest/],
    [['withdraw', '01', ...because], {}, /no number of a signature/],
    [['withdraw', '--key', '0123456789ABCDEF', ...because], {}, /no fingerprint/],
    [['withdraw', '1', ...because], { LOOKASIDE_TOKEN: '' }, /Withdrawing takes a token/],
    [['reinstate', 'x', ...because], {}, /no number of a signature/],
    [['ban-key', 'AB'.repeat(20)], {}, /--reason TEXT/],
    [['ban-key', 'AB'.repeat(8), ...because], {}, /no fingerprint/],
    [['ban-key', ...because], {}, /Name the key/],
    [['ban-key', '--list', 'AB'.repeat(20)], {}, /no fingerprint/],
    [['ban-key', '--list', '--lift'], {}, /--list is of all keys/],
  ]
  const answers = await Promise.all(wrong.map(([args, env]) => run(args, { origin: url, ...env })))
  for (const [index, { code, stdout, stderr }] of answers.entries()) {
    assert.match(stderr, wrong[index]?.[2] ?? /never/)
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, stderr)
  }
  assert.equal(asked, 0)
})

test('what the server refuses to read, or to whom, exits 2', async () => {
  const id = String(await upload(server, newBlob()))
  const other = await server.token('withdraw:prod/**', 'push:**')
  const notAllowed = await run(['withdraw', id, ...because], { LOOKASIDE_TOKEN: other })
  assert.deepEqual(
    [notAllowed.code, notAllowed.stderr],
    [2, 'lookaside: not-allowed: tester has no right withdraw:team/app\n'],
  )
  const empty = await run(['withdraw', id, '--reason', ' '])
  assert.deepEqual([empty.code, empty.stdout], [2, ''])
  assert.match(empty.stderr, /Say why/)
})

test('a server that fails midway exits 3, and says that the same command goes on', async () => {
  let count = 0
  const { url } = await answering((_request, response) => {
    if (++count > 1) return response.writeHead(507).end(JSON.stringify({ code: 'disk-full', detail: 'Full' }))
    const digest = exampleDigest()
    const withdrawn = [{ id: 7, repository: 'team/app\x1b[2J', digest, identity: '', change: 9 }]
    return response.end(JSON.stringify({ withdrawn, next: 7 }))
  })
  const { code, stdout, stderr } = await run(['withdraw', '--key', 'AB'.repeat(20), ...because], {
    origin: url,
  })
  assert.equal(code, 3)
  assert.equal(stdout, '')
  assert.match(stderr, /1 are withdrawn, and not all; the same command goes on\nlookaside: disk-full: Full\n/)
})
