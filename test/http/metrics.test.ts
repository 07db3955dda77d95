import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { expiryOf } from '../../src/http/metrics/data-folder.ts'
import type { Stretch } from '../../src/openpgp/key-state.ts'
import { eventually } from '../eventually.ts'
import { spawnServer } from '../process.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

/** By name with labels, as they are written. */
async function scrape(server: { port: number }): Promise<Map<string, number>> {
  const { status, body } = await ask(server, 'GET', '/metrics')
  assert.equal(status, 200, body.toString())
  const lines = body
    .toString()
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  )
}

test('reads and uploads are counted by how they ended, and no label is what a client made up', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const upload = (body: Buffer | string, options = {}) =>
    ask(server, 'POST', '/api/v1/signatures', { token, body, ...options })
  const blob = newBlob()
  const { url } = (await upload(blob)).json()
  const path = new URL(url).pathname
  await upload(blob)
  await upload('nothing')
  await ask(server, 'POST', '/api/v1/signatures', { body: blob })
  await ask(server, 'PUT', path, { token, body: newBlob({ digest: exampleDigest('c') }) })
  const { headers } = await ask(server, 'GET', path)
  await ask(server, 'HEAD', path)
  await ask(server, 'GET', path, { headers: { 'if-none-match': String(headers.etag) } })
  for (const missing of [`${path}0`, `/signatures/no@sha256=${'e'.repeat(64)}/signature-1`])
    assert.equal((await ask(server, 'GET', missing)).status, 404)
  for (let count = 0; count < 30; count++) await ask(server, 'GET', `/api/v1/made-up-${count}`)
  for (let count = 0; count < 30; count++) await ask(server, 'GET', `/api/v1/signatures/${count + 100}`)

  const metrics = await scrape(server)
  const value = (name: string, labels: string) => metrics.get(`lookaside_${name}{worker="1",${labels}}`)
  assert.equal(value('reads_total', 'status="200"'), 2)
  assert.equal(value('reads_total', 'status="304"'), 1)
  assert.equal(value('reads_total', 'status="404"'), 2)
  assert.equal(value('reads_total', 'status="500"'), 0)
  assert.equal(value('uploads_total', 'outcome="added",code=""'), 1)
  assert.equal(value('uploads_total', 'outcome="present",code=""'), 1)
  assert.equal(value('uploads_total', 'outcome="refused",code="not-openpgp"'), 1)
  assert.equal(value('uploads_total', 'outcome="refused",code="no-credentials"'), 1)
  assert.equal(value('uploads_total', 'outcome="refused",code="digest-mismatch"'), 1)
  assert.equal(
    value('request_duration_seconds_count', 'method="GET",route="/api/v1/signatures/:id",status="4xx"'),
    30,
  )
  assert.equal(value('request_duration_seconds_count', 'method="any",route="none",status="4xx"'), 30)
  assert.ok(![...metrics.keys()].some((name) => name.includes('made-up')))
  assert.equal(metrics.get('lookaside_log_head'), 1)
  assert.ok((metrics.get('lookaside_database_bytes{file="wal"}') ?? 0) > 0)
  assert.equal(value('admission_queue', 'state="waiting"'), 0)
  assert.ok([...metrics.keys()].some((name) => name.startsWith('lookaside_build_info{version="')))
  await eventually(async () => (await scrape(server)).get('lookaside_tree_lag_changes{tree="tree"}') === 0)
})

test('an upload that is cut off is counted as aborted', async () => {
  const server = await testServer()
  const token = await server.token('push:**')
  const socket = connect(server.port, '127.0.0.1')
  const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\n`
  socket.write(head)
  const name = 'lookaside_uploads_total{worker="1",outcome="failed",code="aborted"}'
  await once(socket, 'connect')
  await scrape(server)
  socket.destroy()
  await eventually(async () => (await scrape(server)).get(name) === 1)
})

test('a key expires when it can no longer sign, whatever it was before', () => {
  const never = Number.NEGATIVE_INFINITY
  const states: [Stretch[], number | null][] = [
    [
      [
        { from: never, state: 'not-made-yet' },
        { from: 5, state: 'good' },
      ],
      null,
    ],
    [
      [
        { from: never, state: 'not-made-yet' },
        { from: 5, state: 'good' },
        { from: 9, state: 'key-expired' },
      ],
      9,
    ],
    [
      [
        { from: 5, state: 'good' },
        { from: 6, state: 'key-expired' },
        { from: 7, state: 'good' },
        { from: 8, state: 'key-expired' },
      ],
      8,
    ],
    [[{ from: never, state: 'revoked' }], null],
    [[{ from: never, state: 'not-signing-key' }], null],
  ]
  for (const [timeline, expected] of states) assert.equal(expiryOf(timeline), expected)
})

test('with more processes a scrape has the numbers of all, also while one is being restarted', async () => {
  const data = temporaryFolder()
  const server = await spawnServer(data, '--workers', '3')
  // Connections to the one that is killed end.
  const metrics = () => scrape(server).catch(() => new Map<string, number>())
  const up = (scraped: Map<string, number>) =>
    [1, 2, 3].map((worker) => scraped.get(`lookaside_worker_up{worker="${worker}"}`))
  /** One scrape that has the numbers of all: a process that is slow to tell them is taken for one that is not there. */
  const ofAll = async () => {
    let scraped = await metrics()
    await eventually(async () => {
      if (up(scraped).every((value) => value === 1)) return true
      scraped = await metrics()
      return false
    })
    return scraped
  }
  await ofAll()
  const asked = 60
  for (let count = 0; count < asked; count++)
    await ask(server, 'GET', `/signatures/a/b@sha256=${'a'.repeat(64)}/signature-1`)
  const counts = async (what = 'lookaside_reads_total') =>
    [...(await ofAll())].filter(([name]) => name.startsWith(what) && name.includes('status="404"'))
  const sum = (values: [string, number][]) => values.reduce((all, [, value]) => all + value, 0)
  const before = await counts()
  assert.equal(sum(before), asked)
  for (let repeat = 0; repeat < 6; repeat++) assert.equal(sum(await counts()), asked)
  const pid = [
    ...new Set(server.log.filter(({ msg }) => String(msg).startsWith('bound to')).map(({ pid }) => pid)),
  ][0]
  process.kill(pid as number, 'SIGKILL')
  await eventually(async () => up(await metrics()).some((value) => value === 0))
  // The one that took its place began at zero under the same label; what the others counted is as it was.
  const after = new Map(await counts())
  const changed = before.filter(([name, value]) => after.get(name) !== value)
  assert.ok(changed.length <= 1, JSON.stringify([before, [...after]]))
  for (const [name] of changed) assert.equal(after.get(name), 0)
})
