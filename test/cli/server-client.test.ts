import assert from 'node:assert/strict'
import type { RequestListener, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { problemError, type ServerRequest, serverClient } from '../../src/cli/server-client.ts'
import { Refusal } from '../../src/refusal.ts'
import { answering } from './answering.ts'

const get: ServerRequest = { method: 'GET', path: '/api/v1/signatures' }
const post: ServerRequest = { method: 'POST', path: '/api/v1/signatures', body: Buffer.alloc(100_000, 7) }

/** A client that does not wait between attempts, and the milliseconds it would have waited. */
function clientOf(
  url: string,
  { token = null, env = {}, requestMilliseconds = 10_000 }: Partial<Client> = {},
) {
  const waits: number[] = []
  const wait = async (milliseconds: number) => void waits.push(milliseconds)
  const timing = { wait, random: () => 0.5, requestMilliseconds }
  return { send: serverClient({ url, token, ca: null, env }, timing), waits }
}
interface Client {
  token: string | null
  env: Record<string, string>
  requestMilliseconds: number
}

function json(
  response: ServerResponse,
  status: number,
  document: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, headers).end(JSON.stringify(document))
}

/** Answers with each of the steps in turn, and then with the last one for ever; `seen` counts the requests. */
function inTurn(...steps: RequestListener[]) {
  const listener: RequestListener & { seen: number } = Object.assign(
    (...[request, response]: Parameters<RequestListener>) => {
      steps[Math.min(listener.seen++, steps.length - 1)]?.(request, response)
    },
    { seen: 0 },
  )
  return listener
}

const fine: RequestListener = (request, response) => {
  request.resume().on('end', () => json(response, 200, { fine: true }))
}
const busy: RequestListener = (_request, response) =>
  json(response, 503, { code: 'busy', detail: 'Too many uploads' }, { 'retry-after': '7' })
const reset: RequestListener = (request) => void request.socket.destroy()

test('a busy server is asked again, no earlier than it says', async () => {
  const listener = inTurn(busy, busy, fine)
  const { send, waits } = clientOf((await answering(listener)).url)
  assert.deepEqual(await send(post), { document: { fine: true }, status: 200 })
  assert.deepEqual(waits, [7000 + 125, 7000 + 250])
})

test('a server that stays busy is given up, with its code', async () => {
  const listener = inTurn(busy)
  const { send, waits } = clientOf((await answering(listener)).url)
  await assert.rejects(send(post), (error) => error instanceof Refusal && error.code === 'busy')
  assert.equal(listener.seen, 5)
  assert.equal(waits.length, 4)
})

test('a server cannot make a client wait for hours', async () => {
  const later: RequestListener = (_request, response) => json(response, 503, {}, { 'retry-after': '86400' })
  const { send, waits } = clientOf((await answering(inTurn(later, fine))).url)
  await send(get)
  assert.deepEqual(waits, [30_000 + 125])
})

test('an upload whose connection broke is sent again, whole', async () => {
  const sizes: number[] = []
  const measure: RequestListener = (request, response) => {
    let size = 0
    request.on('data', (chunk) => {
      size += chunk.length
    })
    request.on('end', () => {
      sizes.push(size)
      json(response, 201, {})
    })
  }
  const halfWay: RequestListener = (request) => request.once('data', () => request.socket.destroy())
  const halfAnswer: RequestListener = (_request, response) => {
    response.writeHead(201, { 'content-length': '100' }).write('{"a":')
    setImmediate(() => response.destroy())
  }
  const { send } = clientOf((await answering(inTurn(reset, halfWay, halfAnswer, measure))).url)
  assert.deepEqual(await send(post), { document: {}, status: 201, afterLost: true })
  assert.deepEqual(sizes, [100_000])
})

test('an answer tells whether one before it was lost, and not where nothing was done before', async () => {
  const status = (code: number) => inTurn((_request, response) => json(response, code, {}), fine)
  const lost = async (listener: RequestListener) =>
    (await clientOf((await answering(listener)).url).send(post)).afterLost
  assert.equal(await lost(inTurn(reset, fine)), true)
  assert.equal(await lost(inTurn(reset, busy, fine)), true)
  assert.equal(await lost(status(502)), true)
  assert.equal(await lost(status(504)), true)
  assert.equal(await lost(inTurn(busy, busy, fine)), undefined)
  assert.equal(await lost(fine), undefined)

  // Without a connection that stays, what is asked next finds nobody; it is there again for the attempt after that.
  const last: RequestListener = (_request, response) => json(response, 200, {}, { connection: 'close' })
  const server = await answering(last)
  const { port, url } = server
  const wait = () => answering(fine, { port })
  const send = serverClient({ url, token: null, ca: null, env: {} }, { wait })
  await send(get)
  await server.close()
  assert.deepEqual(await send(post), { document: { fine: true }, status: 200 })
})

test('a connection that always breaks is given up', async () => {
  const listener = inTurn(reset)
  const { url } = await answering(listener)
  await assert.rejects(
    clientOf(url).send(get),
    /closed the connection without an answer \(does it expect https\?\)/,
  )
  assert.equal(listener.seen, 5)
})

test('a server that is not there is not waited for; one that went away while it was used is', async () => {
  const server = await answering(fine)
  const { send, waits } = clientOf(server.url)
  await send(get)
  await server.close()
  await assert.rejects(send(get), /Nothing listens at http:\/\/127\.0\.0\.1:[0-9]+: is the server running\?/)
  assert.equal(waits.length, 4)
  const other = clientOf(server.url)
  await assert.rejects(other.send(get), /Nothing listens/)
  assert.deepEqual(other.waits, [])
})

test('what is final is not asked again', async () => {
  for (const [status, code, expected] of [
    [507, 'disk-full', { name: 'Refusal', code: 'disk-full', message: 'why' }],
    [500, 'internal', { name: 'Error', message: 'The server answered 500 (internal): why' }],
  ] as const) {
    const listener = inTurn((_request, response) => json(response, status, { code, detail: 'why' }))
    await assert.rejects(clientOf((await answering(listener)).url).send(post), expected)
    assert.equal(listener.seen, 1)
  }
})

test('a 4xx is the problem that the server names, and an error of its code where that is known', async () => {
  const answer = async (status: number, body: unknown) => {
    const listener: RequestListener = (_request, response) => json(response, status, body)
    const answer = await clientOf((await answering(listener)).url).send(post)
    assert.ok('problem' in answer)
    return answer.problem
  }
  const known = await answer(422, { code: 'claim-json', detail: 'The claim is not JSON.' })
  assert.deepEqual(known, { status: 422, code: 'claim-json', detail: 'The claim is not JSON.' })
  assert.deepEqual({ ...problemError(known) }, { ...new Refusal('claim-json', '') })

  const unknown = problemError(await answer(422, { code: 'newer-code', detail: 'Something new.' }))
  assert.ok(!(unknown instanceof Refusal))
  assert.equal(unknown.message, 'The server answered 422 (newer-code): Something new.')

  // A server must not pass for this program's own complaint about its configuration.
  assert.ok(!(problemError(await answer(400, { code: 'configuration', detail: '' })) instanceof Refusal))
  assert.ok(!(problemError(await answer(400, { code: '__proto__', detail: '' })) instanceof Refusal))

  const hostile = await answer(403, { code: 'x\x1b[2J', detail: 'a\x1b]0;title\x07\nlookaside: all is well' })
  assert.deepEqual(hostile, {
    status: 403,
    code: null,
    detail: 'a\\u{1b}]0;title\\u{7}\\u{a}lookaside: all is well',
  })
  assert.deepEqual(await answer(404, ['no', 'object']), {
    status: 404,
    code: null,
    detail: 'there was no explanation',
  })
})

test('another kind of server is recognised', async () => {
  const page = await answering((_request, response) => response.end('<html>Welcome</html>'))
  await assert.rejects(clientOf(page.url).send(get), /is not a lookaside server: it answered 200/)
})

test('a redirect is told and not followed: the token is for one server', async () => {
  let asked = 0
  const elsewhere = await answering((_request, response) => {
    asked++
    response.end('{}')
  })
  const server = await answering((_request, response) =>
    response.writeHead(308, { location: `${elsewhere.url}/x\x85` }).end(),
  )
  await assert.rejects(clientOf(server.url, { token: 'lks_x' }).send(post), (error) => {
    assert.match((error as Error).message, /answered 308, and leads to http:[^\x85]*: name that server/)
    return true
  })
  assert.equal(asked, 0)
})

test('the token is sent in its header and nowhere else', async () => {
  const token = 'lks_0123abcd_secret'
  let seen = ''
  const server = await answering((request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${token}`)
    seen = `${request.url} ${request.headers['user-agent']}`
    json(response, 200, {})
  })
  await clientOf(server.url, { token }).send({
    ...get,
    query: { repository: 'a/b@c?d&e', digest: undefined, limit: '5' },
  })
  assert.ok(!seen.includes('secret'))
  assert.match(seen, /^\/api\/v1\/signatures\?repository=a%2Fb%40c%3Fd%26e&limit=5 lookaside\/[0-9]/)
})

test('a server that does not answer, or stops in the middle, is not waited for without end', async () => {
  const silent = await answering(() => {})
  const stalls = await answering((_request, response) => void response.writeHead(200).write('{'))
  for (const { url } of [silent, stalls]) {
    const { send, waits } = clientOf(url, { requestMilliseconds: 100 })
    await assert.rejects(send(get), { message: `${url} did not answer in time` })
    assert.deepEqual(waits, [])
  }
})

test('a hundred requests at once share sixteen connections', async () => {
  const server = await answering(fine)
  const { send } = clientOf(server.url)
  await Promise.all(Array.from({ length: 100 }, () => send(post)))
  assert.ok(server.connections() <= 16, `${server.connections()}`)
})

test('the proxy of the environment is used, but not for this machine', async () => {
  const targets: (string | undefined)[] = []
  const proxy = await answering((request, response) => {
    targets.push(request.url)
    json(response, 200, {})
  })
  const env = { HTTP_PROXY: proxy.url, http_proxy: proxy.url }
  await clientOf('http://sigs.example.com', { env }).send(get)
  const server = await answering(fine)
  await clientOf(server.url, { env }).send(get)
  assert.deepEqual(targets, ['http://sigs.example.com/api/v1/signatures'])
})
