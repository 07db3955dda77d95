import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'
import { listening, open, receive } from './raw.ts'

test('who sends a hundred requests ahead is begun with as often as others, and answered in order', async (t) => {
  const begun: string[] = []
  const held: (() => void)[] = []
  let isHeld = true
  const { port } = await listening(t, ({ url = '' }, response) => {
    begun.push(url)
    const answer = () => void response.end(url)
    if (isHeld) held.push(answer)
    else answer()
  })
  const many = await open(port)
  const paths = Array.from({ length: 100 }, (_, at) => `/many/${at}`)
  const ask = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
  many.write(`${paths.map((path) => ask(path)).join('')}${ask('/last', 'Connection: close\r\n')}`)
  const answers = receive(many)
  await eventually(() => begun.length > 0)
  const one = await open(port)
  one.write(ask('/one', 'Connection: close\r\n'))
  await eventually(() => begun.includes('/one'))
  assert.deepEqual(begun, ['/many/0', '/one'])
  isHeld = false
  for (const answer of held) answer()
  assert.match(await receive(one), /\/one$/)
  assert.deepEqual((await answers).match(/\/(?:many|last)[/\d]*/g), [...paths, '/last'])
})

test('requests far ahead of large answers are no garbage, over TLS either', async (t) => {
  const server = await testServer({ tls: { mode: 'auto', names: [] } })
  const ca = readFileSync(join(server.data, 'tls/ca.crt'))
  const token = await server.token('push:**')
  const upload = await ask(server, 'POST', '/api/v1/signatures', {
    token,
    ca,
    body: newBlob({}, { valueOctets: 256 }),
  })
  const request = `GET ${new URL(upload.json().url).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`
  const socket = connectTls({ port: server.port, host: 'localhost', ca }).on('error', () => {})
  t.after(() => socket.destroy())
  const statuses: string[] = []
  let sent = 200
  socket.write(request.repeat(sent))
  socket.setEncoding('latin1').on('data', (text: string) => {
    for (const [, status = ''] of text.matchAll(/HTTP\/1\.1 (\d+) /g)) {
      statuses.push(status)
      if (sent++ < 2000) socket.write(request)
    }
  })
  await Promise.race([eventually(() => statuses.length === 2000), once(socket, 'close')])
  assert.deepEqual([...new Set(statuses)], ['200'])
  assert.equal(statuses.length, 2000)
})
