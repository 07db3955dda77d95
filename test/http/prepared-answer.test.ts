import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'

const server = await testServer()
const uploaded = await ask(server, 'POST', '/api/v1/signatures', {
  token: await server.token('push:**'),
  body: newBlob({ digest: exampleDigest('a') }),
})
const path = new URL(uploaded.json().url).pathname
const missing = path.replace(/\d+$/, '2')

/** Sends requests on one connection, and returns all that came when it has ended. */
function send(...requests: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(server.port, '127.0.0.1', () => socket.write(requests.join(''), 'latin1'))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      received += chunk
    })
    socket.on('error', reject).on('end', () => resolve(received))
  })
}

const request = (method: string, of: string, fields = '') =>
  `${method} ${of} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`
const last = 'Connection: close\r\n'
/** The time may be another second's. */
const timeless = (answer: string) => answer.replaceAll(/\r\nDate: .{29}\r\n/g, '\r\nDate: …\r\n')

for (const [what, method, of] of [
  ['a signature', 'GET', path],
  ['a signature that is asked for by HEAD', 'HEAD', path],
  ['one that is not there', 'GET', missing],
] as const)
  test(`${what} is answered on an open connection as Node does it on one that ends`, async () => {
    const answers = timeless(await send(request(method, of), request(method, of, last)))
    const second = answers.lastIndexOf('HTTP/1.1 ')
    const [open, ended] = [answers.slice(0, second), answers.slice(second)]
    assert.match(ended, /\r\nDate: …\r\nConnection: close\r\n\r\n/)
    assert.equal(
      open,
      ended.replace('\r\nConnection: close\r\n', '\r\nConnection: keep-alive\r\nKeep-Alive: timeout=72\r\n'),
    )
  })

test('answers to requests that were sent together come whole and in their order', async () => {
  const paths = [path, missing, path, '/healthz', missing, path]
  const answers = await send(
    ...paths.map((of, index) => request('GET', of, index === paths.length - 1 ? last : '')),
  )
  const statuses = answers.match(/HTTP\/1\.1 \d{3}/g)?.map((line) => Number(line.slice(-3)))
  assert.deepEqual(statuses, [200, 404, 200, 200, 404, 200])
})

test('Date is the time of the answer', async () => {
  for (let times = 0; times < 2; times++) {
    const before = Math.floor(Date.now() / 1000) * 1000
    // The first of the two is answered on a connection that stays open.
    const [, date] =
      /\r\nDate: (.*)\r\n/.exec(await send(request('GET', path), request('GET', path, last))) ?? []
    assert.ok(Date.parse(date as string) >= before && Date.parse(date as string) <= Date.now(), String(date))
  }
})

test('a client of HTTP/1.0 that wants to keep its connection is told that it may', async () => {
  const old = (fields: string) => `GET ${path} HTTP/1.0\r\n${fields}\r\n`
  const answers = await send(old('Connection: keep-alive\r\n'), old(''))
  assert.equal(answers.match(/\r\nConnection: keep-alive\r\n/g)?.length, 1)
  assert.equal(answers.match(/\r\nConnection: close\r\n/g)?.length, 1)
})
