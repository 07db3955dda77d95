import assert from 'node:assert/strict'
import test from 'node:test'
import { createDeflate, createDeflateRaw, deflateRawSync, type Zlib } from 'node:zlib'
import { maxInflatedSize } from '../../src/openpgp/compression.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { fixture } from './fixture.ts'
import { compressed, octets, packet, signature, signedMessage } from './write.ts'

const mebibyte = 1_048_576

/** `sizeMebibytes` of zeros, without ever holding them. */
async function bomb(algorithm: 1 | 2, sizeMebibytes: number): Promise<Buffer> {
  const deflate = algorithm === 1 ? createDeflateRaw() : createDeflate()
  const chunks: Buffer[] = [octets([algorithm])]
  deflate.on('data', (chunk: Buffer) => chunks.push(chunk))
  const zeros = Buffer.alloc(mebibyte)
  for (let written = 0; written < sizeMebibytes; written++) await write(deflate, zeros)
  await new Promise((resolve) => deflate.end().once('end', resolve))
  return packet(packetTag.compressed, Buffer.concat(chunks), 'indeterminate')
}

function write(deflate: NodeJS.WritableStream & Zlib, chunk: Buffer): Promise<unknown> {
  return new Promise((resolve) => deflate.write(chunk, resolve))
}

/** The high-water mark of the process counts, so that nothing taken and given back goes unseen. */
function refusedCheaply(message: Uint8Array, code: string): void {
  const before = process.resourceUsage().maxRSS
  assert.throws(() => readMessage(message), { name: 'Refusal', code })
  const grownMebibytes = (process.resourceUsage().maxRSS - before) / 1024
  assert.ok(grownMebibytes < 50, `memory grew by ${grownMebibytes} MiB`)
}

for (const algorithm of [1, 2] as const) {
  test(`a deflate bomb of 100 MiB is refused within 50 MiB (algorithm ${algorithm})`, async () => {
    const message = await bomb(algorithm, 100)
    assert.ok(message.length < 256 * 1024)
    refusedCheaply(message, 'inflated-too-large')
  })
}

test('a bzip2 bomb of half a gigabyte in 1 KB is refused unread', () => {
  refusedCheaply(fixture('bzip2-bomb.pgp'), 'compression-unsupported')
})

test('a bomb in a thousand layers of compression is refused at the second', () => {
  let message: Buffer = signedMessage('{}')
  for (let depth = 0; depth < 1000; depth++)
    message = packet(packetTag.compressed, compressed(1, message), 'new-5')
  refusedCheaply(message, 'nested-compression')
})

test('a bomb in a compressed packet of a compressed packet is refused without being inflated', async () => {
  refusedCheaply(packet(packetTag.compressed, compressed(0, await bomb(1, 100))), 'nested-compression')
})

test('a message of exactly the limit is read, and one octet more refused', () => {
  const overhead = signedMessage('x'.repeat(100_000)).length - 100_000
  const fitting = signedMessage('x'.repeat(maxInflatedSize - overhead))
  assert.equal(fitting.length, maxInflatedSize)
  const wrap = (packets: Buffer) =>
    packet(packetTag.compressed, Buffer.concat([octets([1]), deflateRawSync(packets)]), 'indeterminate')
  assert.equal(readMessage(wrap(fitting)).payload.length, maxInflatedSize - overhead)
  const over = signedMessage('x'.repeat(maxInflatedSize - overhead + 1))
  assert.throws(() => readMessage(wrap(over)), { code: 'inflated-too-large' })
})

test('thousands of signatures cost no more than two', () => {
  const one = packet(packetTag.signature, signature())
  refusedCheaply(Buffer.concat(Array.from({ length: 5000 }, () => one)), 'multiple-signatures')
})

test('four megabytes in parts of one octet are joined in linear time and memory', () => {
  const parts = Buffer.alloc(4 * mebibyte)
  for (let at = 0; at < parts.length; at += 2) parts.set([0xe0, 0x20], at)
  const head = Buffer.concat([octets([0xc8, 0xe9, 0]), Buffer.alloc(511)])
  refusedCheaply(Buffer.concat([head, parts]), 'truncated')
})
