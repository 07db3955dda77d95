import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { basic, extensionObject, extensionPath, putObject } from './extension-client.ts'
import { listening, open, openAll, receive, takeTime } from './raw.ts'
import { startUpstream } from './upstream.ts'

const uploads = { maxBytes: 131072, sigstoreJson: false, stallSeconds: 1 }

test('who does not finish a TLS handshake is cut off, and does not keep the server from ending', async () => {
  const server = await testServer({ tls: { mode: 'auto', names: [] }, uploads })
  const silent = await open(server.port)
  const half = await open(server.port)
  half.write(Buffer.from('160301020001', 'hex'))
  const closed = [silent, half].map((socket) => receive(socket))
  assert.deepEqual(await Promise.all(closed), ['', ''])
  const last = await open(server.port)
  await server.close()
  assert.equal(await receive(last), '')
})

test('a client may send some requests ahead of their answers, and not without end', async () => {
  const server = await testServer()
  const slot = `/signatures/team/app@sha256=${'a'.repeat(64)}/signature-1`
  const request = `GET ${slot} HTTP/1.1\r\nHost: x\r\n\r\n`
  const last = `GET ${slot} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
  const patient = await open(server.port)
  patient.write(request.repeat(50) + last)
  assert.equal((await receive(patient)).match(/^HTTP\/1\.1 404 /gm)?.length, 51)
  const flood = await open(server.port)
  flood.write(request.repeat(500) + last)
  assert.ok(((await receive(flood)).match(/^HTTP\/1\.1 404 /gm) ?? []).length < 500)
  assert.equal((await ask(server, 'GET', slot)).status, 404)
})

test('who sends all of a body that is too large before it reads is answered all the same', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  for (const length of [200_000, 4_000_000]) {
    const socket = await open(server.port)
    const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
    socket.write(`${head}Content-Length: ${length}\r\n\r\n`)
    socket.pause()
    await new Promise((resolve) => socket.write(Buffer.alloc(length), resolve))
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const received = await receive(socket)
    assert.match(received, /^HTTP\/1\.1 413 /)
    assert.match(received, /\r\nHTTP\/1\.1 200 |}HTTP\/1\.1 200 /)
  }
})

test('requests that are not answered at once are begun in as many turns of the event loop, and bodies come whole', async (t) => {
  const begun: number[] = []
  let atOnce = 0
  const inTurn = async (request: IncomingMessage, response: ServerResponse) => {
    begun.push(performance.nodeTiming.uvMetricsInfo.loopCount)
    // More than all else that there is to do in a turn: no time is left for a second one.
    takeTime(5)
    const pieces = await request.toArray()
    response.end(String(Buffer.concat(pieces).length))
  }
  const { server } = await listening(t, inTurn, {
    atOnce(request, response) {
      if (request.url !== '/at-once') return false
      atOnce++
      response.end()
      return true
    },
  })
  const sockets = await openAll(server, 40)
  const answers = sockets.map(receive)
  const body = 'x'.repeat(100_000)
  const request = (method: string, path: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`
  const forms = [
    [`${request('POST', '/')}Content-Length: ${body.length}\r\n\r\n${body}`, /\r\n100000$/],
    [`${request('POST', '/')}Transfer-Encoding: chunked\r\n\r\n186a0\r\n${body}\r\n0\r\n\r\n`, /\r\n100000$/],
    [`${request('GET', '/')}\r\n`, /\r\n0$/],
    [`${request('GET', '/at-once')}\r\n`, /^HTTP\/1\.1 200 /],
  ] as const
  const formOf = (index: number) => forms[index % forms.length] as (typeof forms)[number]
  for (const [index, socket] of sockets.entries()) socket.write(formOf(index)[0])
  for (const [index, answer] of (await Promise.all(answers)).entries()) assert.match(answer, formOf(index)[1])
  assert.equal(atOnce, 10)
  assert.equal(begun.length, 30)
  // On a busy machine one or the other turn is long enough for two.
  assert.ok(new Set(begun).size > begun.length / 2)
})

test('a body has its time from when its turn has come: until then it is not read', async (t) => {
  const inTurn = async (request: IncomingMessage, response: ServerResponse) => {
    takeTime(100)
    response.end(String(Buffer.concat(await request.toArray()).length))
  }
  const { server } = await listening(t, inTurn, { stallSeconds: 2 })
  const sockets = await openAll(server, 40)
  const body = 'x'.repeat(100_000)
  const request = `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const answers = sockets.map(receive)
  for (const socket of sockets) socket.write(request)
  for (const answer of await Promise.all(answers)) assert.match(answer, /\r\n100000$/)
})

test('what has come before a server begins to end is answered, though it waits for its turn', async () => {
  const server = await testServer()
  const sockets = await Promise.all(Array.from({ length: 20 }, () => open(server.port)))
  // All are taken: the last one has had an answer.
  const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const socket of sockets) {
    socket.write(request)
    await once(socket, 'data')
  }
  const answers = sockets.map((socket) => receive(socket))
  for (const socket of sockets) socket.write(request)
  await once(sockets[0] as Socket, 'data')
  await server.close()
  for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 200 /)
})

test('who goes on behind what cannot be read is told so, and no piece of it is an error again', async (t) => {
  const { server, port } = await listening(t, (_, response) => void response.end())
  let errors = 0
  server.on('clientError', () => errors++)
  const socket = await open(port)
  socket.write(`GET /${'a'.repeat(4_000_000)} HTTP/1.1\r\n\r\n`)
  assert.match(await receive(socket), /^HTTP\/1\.1 400 /)
  assert.equal(errors, 1)
})

test('what is not HTTP behind a request is told so behind its answer, and what goes wrong with a body only once', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const statuses = async (bytes: string, later = '') => {
    const socket = await open(server.port)
    socket.write(bytes)
    if (later) await once(socket, 'readable')
    socket.write(later)
    return [...(await receive(socket)).matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
  }
  const garbage = 'garbage\r\n\r\n'
  const listing = 'GET /signatures/ HTTP/1.1\r\nHost: x\r\n\r\n'
  assert.deepEqual(await statuses(listing + listing + garbage), ['200', '200', '400'])
  const blob = newBlob().toString('latin1')
  const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
  const socket = await open(server.port)
  socket.write(`${head}Content-Length: ${blob.length}\r\n\r\n${blob}${garbage}`, 'latin1')
  assert.match(await receive(socket), /^HTTP\/1\.1 201 [\s\S]*}HTTP\/1\.1 400 /)
  const chunked = 'POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n'
  assert.deepEqual(await statuses(`${chunked}\r\n`, 'nothing'), ['401'])
  assert.deepEqual(await statuses(`${chunked}Authorization: Bearer ${token}\r\n\r\nnothing`), ['400'])
})

test('a body that nobody asked for is not read', async () => {
  const server = await testServer()
  const json = { 'content-type': 'application/json' }
  const unknown = await ask(server, 'POST', '/nothing', { headers: json, body: '{' })
  assert.deepEqual([unknown.status, unknown.json().code], [404, 'not-found'])
  const tree = await ask(server, 'POST', '/signatures/x', { headers: json, body: '{' })
  assert.deepEqual([tree.status, tree.json().code], [405, 'method-not-allowed'])
  assert.equal(tree.headers.allow, 'GET, HEAD, PUT')
})

test('PUT takes every form of a path that GET takes', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const place = `team/app@sha256=${'a'.repeat(64)}/signature-1`
  for (const path of [
    `//signatures/${place}`,
    `/signatures//${place}`,
    `/signatures/${place.replace('@', '%40').replace('=', '%3D')}?x=y`,
    `/%73ignatures/${place}`,
  ]) {
    const answer = await ask(server, 'PUT', path, { token, body: newBlob() })
    assert.equal(answer.status, 201, path)
  }
})

/** Sends an octet ten times a second, for as long as it is let; returns the statuses that came meanwhile. */
async function trickle(port: number, start: string): Promise<string[]> {
  const socket = await open(port)
  socket.write(`${start}\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`)
  const timer = setInterval(() => socket.write('x'), 100)
  const received = await receive(socket)
  clearInterval(timer)
  return [...received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = '']) => status)
}

test('a layer may come as slowly as it likes; other bodies, and what follows an answer, may not', async () => {
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/v2/refused') response.writeHead(401).end()
    else request.resume().on('end', () => response.end())
  })
  const registry = { upstream: upstream.origin, delegate: false, anonymous: true }
  const server = await testServer({ uploads, registry })
  const bearer = `Authorization: Bearer ${await server.token('push:**')}`
  const layer = await open(server.port)
  layer.write('PATCH /v2/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\na')
  const others = await Promise.all(
    [
      `PUT ${extensionPath()} HTTP/1.1\r\n${bearer}`,
      `PUT ${extensionPath()} HTTP/1.1`,
      'POST /v2/../x HTTP/1.1',
      'PROPFIND /v2/x HTTP/1.1',
      'POST /v2/refused HTTP/1.1',
      'POST /v2x HTTP/1.1',
    ].map((start) => trickle(server.port, start)),
  )
  // One that is answered already is only cut off: a second answer would be taken for that to the next request.
  assert.deepEqual(others, [['408'], ['401'], ['400'], ['404'], ['401'], ['404']])
  layer.write('b')
  assert.match(await receive(layer), /^HTTP\/1\.1 200 /)
})

test('a request that came whole is not too late because its answer is', async () => {
  let answer: (() => void) | undefined
  const upstream = await startUpstream((request, response) => {
    if (request.method !== 'POST') return response.writeHead(request.method === 'HEAD' ? 200 : 204).end()
    if (!request.headers.authorization) return response.writeHead(401).end()
    answer = () => response.writeHead(202, { location: '/v2/uploads/1' }).end()
  })
  const registry = { upstream: upstream.origin, delegate: true, anonymous: false }
  const server = await testServer({ uploads, registry })
  const digest = exampleDigest()
  const asked = putObject(
    server,
    extensionPath('team/app', digest),
    extensionObject(newBlob({ digest }), digest),
    { authorization: basic('alice', 'secret') },
  )
  // Another one, that does not come, has had its time by then.
  assert.deepEqual(await trickle(server.port, 'POST /late HTTP/1.1'), ['404'])
  await eventually(() => answer !== undefined)
  answer?.()
  assert.equal((await asked).status, 201)
})
