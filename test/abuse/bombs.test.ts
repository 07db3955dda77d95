import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { packetTag } from '../../src/openpgp/packets.ts'
import { eventually } from '../eventually.ts'
import { find } from '../manifests/asking.ts'
import { httpsServer } from '../manifests/https-server.ts'
import { type Answering, changeOf, feedOf, hostileServer } from '../mirror/hostile-server.ts'
import { mirrorOf, newSigningKey } from '../mirror/signing-key.ts'
import { compressed, octets, packet } from '../openpgp/write.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { startAttacked } from './attacked.ts'
import { manyTimes, times } from './connections.ts'

const mebibyte = 2 ** 20
const folder = temporaryFolder()

/** A hundred mebibytes in a hundred kilobytes; each that is inflated whole is seen in the memory of the process. */
const zeros = Buffer.alloc(100 * mebibyte)
const gzipped = gzipSync(zeros)
const zstd = zstdCompressSync(zeros)
const message = packet(packetTag.compressed, compressed(1, zeros), 'indeterminate')
/** Inflated and deflated, as often as it fits. */
const nested = Array.from({ length: 3 }).reduce<Buffer>(
  (inside) => packet(packetTag.compressed, Buffer.concat([octets([1]), deflateRawSync(inside)]), 'new-5'),
  message,
)

/** What a server may take beside what it had: much less than one of them, were it inflated. */
const maxGrown = 90 * mebibyte

/** The same beside many uploads: V8 lets 64 MiB lie that are outside its heap, before it looks for what can go. */
const maxGrownBesideUploads = 128 * mebibyte

test('bombs that are uploaded, at each door and many at once, are refused within little memory', async (t) => {
  const attacked = await startAttacked()
  const token = await attacked.token('push:**')
  const digest = exampleDigest('d')
  const object = JSON.stringify({
    schemaVersion: 2,
    name: `${digest}@${'e'.repeat(32)}`,
    type: 'atomic',
    content: message.toString('base64'),
  })
  const uploads: [string, string, Buffer, Record<string, string>, string][] = [
    ['POST', '/api/v1/signatures', message, {}, 'inflated-too-large'],
    ['POST', '/api/v1/signatures', nested, {}, 'nested-compression'],
    [
      'PUT',
      `/signatures/team/app@${digest.replace(':', '=')}/signature-1`,
      message,
      {},
      'inflated-too-large',
    ],
    ['PUT', `/extensions/v2/team/app/signatures/${digest}`, Buffer.from(object), {}, 'inflated-too-large'],
    // Nobody inflates these: a blob is what was sent.
    ...['gzip', 'zstd', 'deflate', 'br', 'gzip, gzip', 'x-gzip'].map((encoding): (typeof uploads)[number] => [
      'POST',
      '/api/v1/signatures',
      encoding === 'zstd' ? zstd : gzipped,
      { 'content-encoding': encoding },
      'not-openpgp',
    ]),
  ]
  for (const [, , body] of uploads) assert.ok(body.length < 200_000)
  const count = 200 * times
  // What uploads of that size leave to be collected, as many of them, and as many at once.
  attacked.memory()
  const plain = Buffer.alloc(gzipped.length, 1)
  await manyTimes(count, () => attacked.ask('POST', '/api/v1/signatures', { token, body: plain }), 20)
  const { peak } = attacked.memory()
  await attacked.whileReading(t, `${count} bombs`, () =>
    manyTimes(
      count,
      async (index) => {
        const [method, path, body, headers, code] = uploads[
          index % uploads.length
        ] as (typeof uploads)[number]
        const answer = await attacked.ask(method, path, { token, body, headers })
        const said = answer.json()
        assert.deepEqual([answer.status < 500, said.code ?? said.errors[0].detail.code], [true, code])
      },
      20,
    ),
  )
  const grown = attacked.memory().peak - peak
  t.diagnostic(
    `${count} bombs of 100 MiB: at most ${(grown / mebibyte).toFixed(0)} MiB more than the ${(peak / mebibyte).toFixed(0)} of other uploads`,
  )
  assert.ok(grown < maxGrownBesideUploads)
  await attacked.end()
})

test('bombs that a source of a mirror sends are left within little memory', async (t) => {
  const alice = newSigningKey(folder, 'alice')
  const packed =
    (encoding: string, body: Buffer): Answering =>
    (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding }).end(body)
  const answers: Record<string, Answering> = {
    gzip: packed('gzip', gzipped),
    zstd: packed('zstd', zstd),
    twice: packed('gzip, gzip', gzipSync(gzipped)),
    blob: feedOf([changeOf(1, message), changeOf(2, nested)]),
  }
  const source = await hostileServer((request, response, url) =>
    answers[url.pathname.split('/')[1] ?? '']?.(request, response, url),
  )
  const mirrors = Object.keys(answers).map((name) => {
    const { everySeconds, ...mirror } = mirrorOf(`${source.origin}/${name}`, alice, { prefix: name as never })
    return { ...mirror, every: `${everySeconds}s` }
  })
  const file = join(folder, 'lookaside.yaml')
  writeFileSync(file, JSON.stringify({ mirrors, policy: alice.policy }))
  const attacked = await startAttacked(['--config', file], {}, (tag, digest) => alice.sign(tag, { digest }))
  const { now } = attacked.memory()
  const statuses = async () => {
    const { mirrors } = (await attacked.ask('GET', '/api/v1/mirrors')).json()
    return mirrors as { prefix: string; state: string; refused: Record<string, number> }[]
  }
  await attacked.whileReading(t, 'bombs of a source', () =>
    eventually(async () => {
      const all = await statuses()
      const refused = all.find(({ prefix }) => prefix === 'blob')?.refused ?? {}
      const failing = all.filter(({ state }) => state === 'failing')
      return (
        failing.length === 3 && refused['inflated-too-large'] === 1 && refused['nested-compression'] === 1
      )
    }),
  )
  const grown = attacked.memory().peak - now
  t.diagnostic(
    `${source.requests.length} answers that are bombs: ${(grown / mebibyte).toFixed(0)} MiB more at most`,
  )
  assert.ok(grown < maxGrown)
  await attacked.end()
})

test('bombs in bundles are refused within little memory', async (t) => {
  const data = join(folder, 'data')
  for (const [name, bytes] of Object.entries({
    'bomb.tar.gz': gzipped,
    'bomb.tar.zst': zstd,
    'twice.tar.gz': gzipSync(gzipped),
  })) {
    const file = join(folder, name)
    writeFileSync(file, bytes)
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '../../src/lookaside.js'), 'import', file, '--data', data],
      { stdio: 'ignore' },
    )
    const exited = once(child, 'exit')
    const [peak, [code]] = await Promise.all([peakOf(child), exited])
    t.diagnostic(`${name}: ${(peak / mebibyte).toFixed(0)} MiB at most`)
    assert.notEqual(code, 0)
    assert.ok(peak < 200 * mebibyte)
  }
})

test('bombs that a registry sends for a manifest are left within little memory', async () => {
  const registry = await httpsServer((request, response) =>
    request.url === '/v2/'
      ? response.end('{}')
      : response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipped),
  )
  const before = process.memoryUsage.rss()
  await assert.rejects(find(registry), { name: 'Refusal' })
  assert.ok(process.memoryUsage.rss() - before < maxGrown)
})

/** The most memory that a process had, until it ends. */
async function peakOf(child: ChildProcess): Promise<number> {
  let peak = 0
  while (child.exitCode === null && child.signalCode === null) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024)
    } catch {}
    await wait(5)
  }
  return peak
}
