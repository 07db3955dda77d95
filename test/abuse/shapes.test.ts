import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answersIn, receive } from './answers.ts'
import { startAttacked } from './attacked.ts'
import { collidingIntegers } from './colliding.ts'
import { manyTimes, times } from './connections.ts'

const hex = 'a'.repeat(64)
const long = (text: string, size: number) => text.repeat(Math.ceil(size / text.length)).slice(0, size)

/** What the server reads of a request: Node takes heads of 16 KiB, with at most 2,000 lines. */
const sizes = [1000, 8000, 15_000, 17_000, 100_000, 1_000_000]

const paths = [
  '/signatures/',
  '/api/v1/signatures',
  '/api/v1/changes',
  '/api/v1/gates/',
  '/extensions/v2/',
  '/v2/',
  '/',
  '/healthz',
]

/** Requests that are large, or many of something, or hard to decode. */
function* shapes(): Generator<{ target: string; headers?: string }> {
  for (const size of sizes) {
    for (const path of paths) {
      yield { target: path + long('a', size) }
      yield { target: path + long('a/', size) }
      yield { target: path + long('%61', size - (size % 3)) }
      yield { target: `${path}?${long('a=b&', size)}` }
      yield { target: `${path}?${long('a[b]=c&', size)}` }
      yield { target: `${path}?repository=${long('a/', size)}` }
      yield { target: `${path}${long('/', size)}x@sha256=${hex}/signature-1` }
    }
    yield { target: `/signatures/${long('a/', size)}b@sha256=${hex}/signature-1` }
    yield { target: `/signatures/a@sha256=${hex}/signature-${long('1', size)}` }
    yield { target: `/signatures/a@sha256=${long('a', size)}/signature-1` }
    yield { target: `/signatures/${long('a@sha256=', size)}/signature-1` }
    for (const name of [
      'Cookie',
      'Authorization',
      'If-None-Match',
      'If-Modified-Since',
      'Range',
      'Accept',
      'X-Request-Id',
      'Host',
      'X-Forwarded-For',
    ])
      yield {
        target: `/signatures/a@sha256=${hex}/signature-1`,
        headers: `${name}: ${long('"a", ', size)}\r\n`,
      }
    yield { target: '/api/v1/signatures', headers: `Accept: ${long('text/html;q=0.1,', size)}\r\n` }
    yield { target: '/', headers: long('A: b\r\n', size - (size % 6)) }
    yield {
      target: '/',
      headers: Array.from({ length: Math.ceil(size / 10) }, (_, at) => `A${at}: b\r\n`).join(''),
    }
  }
  for (const path of paths)
    for (const text of [
      '%',
      '%2',
      '%zz',
      '%00',
      '%0d%0a',
      '%2f%2e%2e',
      '%c0%af',
      '%f0%9f%92%a9',
      '%ed%a0%80',
      '%25%32%35',
      '%E2%80%AE',
      '__proto__',
      'constructor',
      'toString',
      '.well-known/x',
      '*',
      ':x',
      '{}',
      '|',
      '^',
      '`',
      '"',
      '<script>',
      '\\',
      ';x=y',
      '~',
    ])
      for (const target of [
        path + text,
        `${path}${text}/x`,
        `${path}?${text}`,
        `${path}?a=${text}`,
        `${path}?repository=${text}&digest=${text}&key=${text}&after=${text}&limit=${text}`,
      ])
        yield { target }
  for (const query of [
    'limit=1e9',
    'limit=-1',
    'limit=99999999999999999999',
    'limit=0x10',
    'after=1.5',
    'after=NaN',
    'wait=1e99',
    'limit=1&limit=2',
    'limit[]=1',
    '__proto__=x',
    'constructor=x',
    '__proto__[x]=y',
  ])
    for (const path of ['/api/v1/signatures', '/api/v1/changes']) yield { target: `${path}?${query}` }
  yield { target: `/api/v1/signatures?${collidingIntegers(1000).join('=&')}=` }
}

test('requests of every shape are answered below 500, and cost the server no memory that it keeps', async (t) => {
  const attacked = await startAttacked()
  const all = [...shapes()]
  attacked.memory()
  const statuses: Record<string, number> = {}
  const wrong: string[] = []
  await attacked.whileReading(t, `${times * all.length} odd requests`, () =>
    manyTimes(times * all.length, async (index) => {
      const { target = '', headers = '' } = all[index % all.length] ?? {}
      const socket = await attacked.open(index)
      socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`)
      const { answers, rest } = answersIn(await receive(socket))
      const [{ status } = { status: 0 }] = answers
      statuses[status] = (statuses[status] ?? 0) + 1
      // Nothing: it was cut off while it still sent.
      if (answers.length > 1 || rest || status >= 500)
        wrong.push(`${status} ${target.slice(0, 100)} ${headers.slice(0, 30)}`)
    }),
  )
  assert.deepEqual(wrong, [])
  const mebibytes = attacked.memory().peak / 2 ** 20
  t.diagnostic(`answers: ${JSON.stringify(statuses)}; at most ${mebibytes.toFixed(0)} MiB`)
  assert.ok(mebibytes < 400)
  assert.ok((statuses[200] ?? 0) > 10 && (statuses[404] ?? 0) > 100 && (statuses[400] ?? 0) > 100)
  await attacked.end()
})
