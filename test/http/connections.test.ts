import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'

const uploads = { maxBytes: 131072, sigstoreJson: false, stallSeconds: 1 }

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything that comes until the connection is closed. */
async function receive(socket: Socket): Promise<string> {
  let received = ''
  try {
    for await (const chunk of socket.setEncoding('latin1')) received += chunk
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
  return received
}

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
