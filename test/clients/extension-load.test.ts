import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { startFront } from './front.ts'
import { workFolder } from './program.ts'
import { startRegistry } from './registry.ts'

const mebibyte = 1024 * 1024
const layerMebibytes = 256

const folder = workFolder()
const registry = await startRegistry(folder)
// One process: its garbage is its own.
const front = await startFront(folder, registry, {}, { workers: 1 })
const agent = new Agent({ ca: readFileSync(front.ca), keepAlive: false })

const block = randomBytes(mebibyte)
function* layer(mebibytes: number) {
  for (let left = mebibytes; left > 0; left--) yield block
}
function digestOf(mebibytes: number): string {
  const hash = createHash('sha256')
  for (const part of layer(mebibytes)) hash.update(part)
  return `sha256:${hash.digest('hex')}`
}

async function send(method: string, path: string, body?: Iterable<Buffer>): Promise<IncomingMessage> {
  const asked = request(new URL(path, front.server.url), { method, agent })
  const answered = once(asked, 'response')
  if (body) await pipeline(Readable.from(body), asked)
  else asked.end()
  const [answer] = await answered
  return answer
}

/** Pushes a layer as clients do, in one piece of unknown length. */
async function push(repository: string, mebibytes: number): Promise<string> {
  const begun = await send('POST', `/v2/${repository}/blobs/uploads/`)
  const sent = await send('PATCH', begun.resume().headers.location ?? '', layer(mebibytes))
  assert.equal(sent.resume().statusCode, 202)
  const digest = digestOf(mebibytes)
  const ended = await send('PUT', `${sent.headers.location}&digest=${encodeURIComponent(digest)}`)
  assert.equal(ended.resume().statusCode, 201)
  return digest
}

/** Fails where what is pulled is another than what was pushed. */
async function pull(repository: string, digest: string): Promise<void> {
  const hash = createHash('sha256')
  await pipeline(await send('GET', `/v2/${repository}/blobs/${digest}`), hash)
  assert.equal(`sha256:${hash.digest('hex')}`, digest)
}

/** The most that the server has had in memory since the last call, in MiB. */
function peak(): number {
  const [pid, ...others] = new Set(front.server.log().map(({ pid }) => Number(pid)))
  assert.deepEqual(others, [])
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  assert.ok(kibibytes)
  // proc(5): resets the peak.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  return Number(kibibytes) / 1024
}

test('layers pass through without being kept in memory, in both directions', async () => {
  // As much garbage as there is room for: what comes on top of it is kept.
  for (let time = 0; time < 4; time++) await pull('team/warm', await push('team/warm', layerMebibytes / 4))
  const before = peak()
  const digest = await push('team/large', layerMebibytes)
  const pushed = peak()
  await pull('team/large', digest)
  const pulled = peak()
  const bound = layerMebibytes / 4
  assert.ok(pushed - before < bound, `a push took ${pushed - before} MiB`)
  assert.ok(pulled - before < bound, `a pull took ${pulled - before} MiB`)
})
