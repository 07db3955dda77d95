import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'

const server = await testServer()
const token = await server.token('push:**')
const { url } = (await ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob() })).json()
const slot = new URL(url).pathname
const marker = 'what nobody may read'
for (const folder of ['.', 'tree', 'tree/..secret', 'tls']) {
  mkdirSync(join(server.data, folder), { recursive: true })
  writeFileSync(join(server.data, folder, 'secret'), marker)
}

const ups = [
  '..',
  '%2e%2e',
  '%2E.',
  '.%2e',
  '%252e%252e',
  '..%00',
  '..;',
  '..%20',
  '.. ',
  '...',
  '%c0%ae%c0%ae',
  '%e0%80%ae%e0%80%ae',
  '\u002e\u002e\u200b',
  '．．',
]
const separators = ['/', '//', '%2f', '%2F', '\\', '%5c', '%252f', '/./', '%c0%af']
const targets = [
  'secret',
  'lookaside.db',
  'tls/ca.key',
  'tree/secret',
  'etc/passwd',
  'package.json',
  'tree/.position',
]
const bases = [
  '/',
  '/signatures/',
  `${slot.slice(0, slot.lastIndexOf('/'))}/`,
  '/api/v1/signatures/',
  '/style.css/',
]

function* paths(): Generator<string> {
  for (const base of bases)
    for (const up of ups)
      for (const separator of separators)
        for (const target of targets)
          for (const depth of [1, 2, 6]) yield base + `${up}${separator}`.repeat(depth) + target
  for (const target of targets) {
    for (const base of bases) {
      yield `${base}${target}`
      yield `${base}/${target}`
      yield `${base}.${target}`
      yield `${base}${target}%00`
      yield `${base}${target}?signature-1`
      yield `${base}${target}#/signature-1`
      yield `http://localhost${base}${target}`
      yield `http://localhost${base}../../${target}`
      yield `file://${server.data}/${target}`
      yield `${base}${encodeURIComponent(server.data)}/${target}`
      yield `${base}${server.data}/${target}`
    }
  }
}

/** Every request of a connection in one go, as bytes; a malformed one ends the connection, so each has its own turn. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1')
    let received = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
    socket.write(text, 'utf8')
  })
}

const secrets = [marker, 'SQLite format 3', 'PRIVATE KEY', 'root:x:0', '"version"', '"seq"']

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]()
  const iterable = { [Symbol.iterator]: () => queue }
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      for (const item of iterable) await work(item)
    }),
  )
}

test('no path, however it is written, reaches what lies outside the tree or is no slot', async () => {
  let count = 0
  await inParallel(paths(), async (path) => {
    count++
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    const status = answer.slice(9, 12)
    assert.ok(['400', '404'].includes(status), `${path}: ${answer.slice(0, 200)}`)
    for (const secret of secrets) assert.ok(!answer.includes(secret), `${path} tells ${secret}`)
  })
  assert.ok(count > 3000)
})

test('odd request lines and methods get an answer of their own and never a file', async () => {
  const lines = [
    'GET',
    'GET ',
    'GET  /secret HTTP/1.1',
    'GET /secret\t HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'CONNECT localhost:443 HTTP/1.1',
    'TRACE /secret HTTP/1.1',
    'get /secret HTTP/1.1',
    'GET ../secret HTTP/1.1',
    'GET secret HTTP/1.1',
    'GET /secret',
    'GET /secret HTTP/0.9',
    'GET /secret HTTP/2.0',
    'GET http:///secret HTTP/1.1',
    'GET //localhost/secret HTTP/1.1',
    'PROPFIND / HTTP/1.1',
    'PUT /../secret HTTP/1.1',
    'PUT /signatures/../secret HTTP/1.1',
    'DELETE /signatures/../../secret HTTP/1.1',
  ]
  for (const line of lines) {
    const answer = await raw(`${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    const status = answer.slice(9, 12)
    assert.ok(status === '' || /^4\d\d$/.test(status), `${line}: ${answer.slice(0, 200)}`)
    for (const secret of secrets) assert.ok(!answer.includes(secret), line)
  }
})

test('an upload cannot name a place outside the tree either', async () => {
  const admin = await server.token('admin')
  const digest = exampleDigest()
  for (const repository of [
    '../x',
    '/etc/x',
    'a/../b',
    'a//b',
    '.',
    '..',
    'a/./b',
    'A/b',
    'a\\b',
    'a%2f..',
    'a b',
    '',
  ]) {
    const query = `?repository=${encodeURIComponent(repository)}`
    const answer = await ask(server, 'POST', `/api/v1/signatures${query}`, {
      token: admin,
      body: newBlob({ digest }),
    })
    assert.equal(answer.status, 400, repository)
  }
  for (const up of ups) {
    const path = `/signatures/${up}/x@sha256=${'a'.repeat(64)}/signature-1`
    const request = `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
    assert.match(await raw(request), /^HTTP\/1\.1 40[04] /, up)
  }
})
