import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import type { ChangesPage } from '../../src/http/changes.ts'
import { chainHash, chainStart } from '../../src/storage/chain.ts'
import { signedMessage } from '../openpgp/write.ts'
import { ask, type TestServer, testServer } from '../server.ts'
import { claimOf, exampleDigest, newBlob } from '../signing.ts'

async function upload(server: TestServer, blob: Uint8Array, query = ''): Promise<number> {
  const token = await server.token('push:**', 'relocate:**')
  const answer = await ask(server, 'POST', `/api/v1/signatures${query}`, { token, body: blob })
  assert.equal(answer.status, 201)
  return answer.json().id
}

async function withdraw(server: TestServer, id: number): Promise<void> {
  const token = await server.token('withdraw:**')
  const path = `/api/v1/signatures/${id}?reason=published%20by%20mistake`
  assert.equal((await ask(server, 'DELETE', path, { token })).status, 200)
}

async function changes(server: TestServer, query: string, token?: string): Promise<ChangesPage> {
  const answer = await ask(server, 'GET', `/api/v1/changes?${query}`, token ? { token } : {})
  assert.equal(answer.status, 200, answer.body.toString())
  assert.equal(answer.headers['cache-control'], 'no-store')
  assert.match(String(answer.headers['content-type']), /^application\/json/)
  return answer.json<ChangesPage>()
}

/** Like `changes`, and how many milliseconds it took. */
async function timed(server: TestServer, query: string): Promise<ChangesPage & { took: number }> {
  const start = performance.now()
  const page = await changes(server, query)
  return { ...page, took: performance.now() - start }
}

/** Longer than any answer takes that nobody waits for, and shorter than any wait that is asked for here. */
const soon = 5000

suite('the log', async () => {
  const server = await testServer()
  const blobs = ['1', '2', '3'].map((letter) => newBlob({ digest: exampleDigest(letter) }))
  for (const blob of blobs) await upload(server, blob)
  await withdraw(server, 2)

  test('is read in pages, up to its head', async () => {
    const first = await changes(server, 'limit=3')
    assert.deepEqual(
      first.changes.map(({ seq, kind, signature }) => [seq, kind, signature]),
      [1, 2, 3].map((seq) => [seq, 'added', seq]),
    )
    assert.deepEqual([first.next, first.head], [3, 4])
    const second = await changes(server, `after=${first.next}`)
    assert.deepEqual(
      second.changes.map(({ seq, kind, signature, reason }) => [seq, kind, signature, reason]),
      [[4, 'withdrawn', 2, 'published by mistake']],
    )
    assert.match(second.changes[0]?.actor ?? '', /^token:[0-9a-f]{8} tester$/)
    assert.equal(second.epoch, first.epoch)
    const last = await changes(server, `after=${second.next}`)
    assert.deepEqual([last.changes, last.next, last.head], [[], 4, 4])
  })

  test('has all that its hashes are made of', async () => {
    let previous = chainStart
    for (const { hash, time, ...change } of (await changes(server, '')).changes) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.equal(chainHash(previous, { ...change, time: Date.parse(time) } as never), hash)
      previous = hash as string
    }
  })

  test('has the blobs of what is served, where they are asked for', async () => {
    const { changes: found } = await changes(server, 'blobs=true')
    assert.deepEqual(
      found.map(({ blob }) => blob),
      [blobs[0]?.toString('base64'), null, blobs[2]?.toString('base64'), null],
    )
    assert.ok((await changes(server, 'blobs=false')).changes.every((change) => !('blob' in change)))
  })

  test('answers who is beyond its head at once, with the head', async () => {
    const { changes: found, next, head, took } = await timed(server, 'after=5000&wait=30')
    assert.deepEqual([found, next, head], [[], 5000, 4])
    assert.ok(took < soon)
  })

  test('is not asked for in any other way', async () => {
    for (const query of [
      'limit=0',
      'limit=1001',
      'wait=31',
      'wait=-1',
      'after=1.5',
      'after=',
      'blobs=1',
      'since=1',
    ])
      assert.equal((await ask(server, 'GET', `/api/v1/changes?${query}`)).status, 400, query)
  })
})

test('a page ends where its blobs come to 1 MiB', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const sizes: number[] = []
  for (let count = 0; count < 21; count++) {
    const claim = JSON.parse(claimOf({ digest: exampleDigest(String(count % 10)) }))
    const body = signedMessage(JSON.stringify({ ...claim, optional: { x: 'x'.repeat(60_000 - count) } }))
    assert.equal((await ask(server, 'POST', '/api/v1/signatures', { token, body })).status, 201)
    sizes.push(body.length)
  }
  const pages: number[][] = []
  for (let after = 0; ; ) {
    const page = await changes(server, `blobs=true&limit=1000&after=${after}`)
    if (!page.changes.length) break
    pages.push(page.changes.map(({ blob }) => Buffer.from(blob ?? '', 'base64').length))
    after = page.next
  }
  assert.deepEqual(pages.flat(), sizes)
  assert.equal(pages.length, 2)
  const bytes = (page: number[]) => page.reduce((sum, size) => sum + size, 0)
  const [first = [], second = []] = pages
  assert.ok(bytes(first) <= 1024 * 1024 && bytes(first) + (second[0] ?? 0) > 1024 * 1024)
  const small = await changes(server, 'limit=1000')
  assert.equal(small.changes.length, sizes.length)
})

suite('who waits for a change', async () => {
  const server = await testServer()
  const other = await testServer({ data: server.data })
  await upload(server, newBlob())

  test('has it when another process has committed it', async () => {
    const waiting = timed(server, 'after=1&wait=30')
    await upload(other, newBlob())
    const { changes: found, next, took } = await waiting
    assert.deepEqual([found.map(({ seq }) => seq), next], [[2], 2])
    assert.ok(took < soon)
  })

  test('waits no longer than he said', async () => {
    const { head } = await changes(server, 'limit=1')
    const { changes: found, took } = await timed(server, `after=${head}&wait=1`)
    assert.deepEqual(found, [])
    assert.ok(took >= 1000 && took < soon)
  })

  test('may be one of many, and who comes when all places are taken is answered at once', async () => {
    const { head } = await changes(server, 'limit=1')
    const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
    const open = Array.from({ length: 300 }, () => {
      const path = `/api/v1/changes?after=${head}&wait=30`
      const sent = httpRequest({ host: '127.0.0.1', port: server.port, path, agent })
      const answered = new Promise<'answered' | 'gone'>((resolve) => {
        sent.on('response', (response) => response.resume().on('end', () => resolve('answered')))
        sent.on('error', () => resolve('gone'))
      })
      sent.end()
      return { sent, answered }
    })
    // 256 wait; the other 44 had their answers, and so has whoever comes now.
    let early = 0
    await new Promise<void>((resolve) => {
      for (const { answered } of open) answered.then(() => ++early === 44 && resolve())
    })
    assert.ok((await timed(server, `after=${head}&wait=30`)).took < soon)

    for (const { sent } of open) sent.destroy()
    for (let took = 0; took < 1000; ) ({ took } = await timed(server, `after=${head}&wait=1`))
    agent.destroy()
  })

  test('has an answer when the server ends, which does not wait', async () => {
    const { head } = await changes(other, 'limit=1')
    const socket = connect(other.port, '127.0.0.1').setEncoding('latin1')
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
    // Sent together: when the first has its answer, the second is there.
    socket.write(get('/healthz') + get(`/api/v1/changes?after=${head}&wait=30`))
    let received = String(await once(socket, 'data'))
    socket.on('data', (text) => {
      received += text
    })
    const start = performance.now()
    await Promise.all([other.close(), once(socket, 'close')])
    assert.match(received, new RegExp(`HTTP/1.1 200 [^]*HTTP/1.1 200 [^]*"changes":\\[\\],"next":${head},`))
    assert.ok(performance.now() - start < soon)
  })
})

suite('where reads are private', async () => {
  const server = await testServer({ reads: { cacheSeconds: 0, private: true } })
  const blob = newBlob()
  await upload(server, blob)
  const blobPath = `/api/v1/blobs/${(await changes(server, '', await server.token('read:**'))).changes[0]?.sha256}`

  test('log and blobs are for those who may read everything', async () => {
    const team = await server.token('read:team/**', 'push:**', 'withdraw:**')
    for (const path of ['/api/v1/changes', blobPath]) {
      assert.equal((await ask(server, 'GET', path)).status, 401)
      assert.equal((await ask(server, 'GET', path, { token: team })).json().code, 'not-allowed')
      assert.equal((await ask(server, 'GET', path, { token: await server.token('read:**') })).status, 200)
    }
  })

  test('who uploaded what is for administrators, and no hash helps to guess it', async () => {
    const [reader] = (await changes(server, '', await server.token('read:**'))).changes
    const [admin] = (await changes(server, '', await server.token('admin'))).changes
    assert.deepEqual({ ...admin, actor: null, reason: null, hash: null }, reader)
    assert.match(admin?.actor ?? '', /tester$/)
    assert.equal(typeof admin?.hash, 'string')
  })
})

suite('a blob', async () => {
  const server = await testServer()
  const blob = newBlob()
  const [first, second] = [await upload(server, blob), await upload(server, blob, '?repository=prod/app')]
  const sha256 = (await changes(server, '')).changes[0]?.sha256
  const path = `/api/v1/blobs/${sha256}`

  test('is had by its hash, and is the same with HEAD or a matching tag', async () => {
    const { status, headers, body } = await ask(server, 'GET', path)
    assert.deepEqual([status, body], [200, blob])
    assert.equal(headers.etag, `"${sha256}"`)
    assert.equal(headers['content-type'], 'application/octet-stream')
    assert.equal(headers['cache-control'], 'no-cache')
    const head = await ask(server, 'HEAD', path)
    assert.deepEqual(
      [head.status, head.headers['content-length'], head.body.length],
      [200, String(blob.length), 0],
    )
    const none = { 'if-none-match': `"x", W/${headers.etag}` }
    assert.equal((await ask(server, 'GET', path, { headers: none })).status, 304)
  })

  test('is had as long as it is served somewhere', async () => {
    await withdraw(server, first)
    assert.equal((await ask(server, 'GET', path)).status, 200)
    await withdraw(server, second)
    const none = { 'if-none-match': `"${sha256}"` }
    for (const headers of [{}, none]) assert.equal((await ask(server, 'GET', path, { headers })).status, 404)
  })

  test('is nowhere under another name', async () => {
    for (const name of ['0'.repeat(64), `${sha256}`.toUpperCase(), 'x', '..%2f..%2fetc'])
      assert.equal((await ask(server, 'GET', `/api/v1/blobs/${name}`)).status, 404)
  })
})
