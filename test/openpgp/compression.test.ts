import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import test from 'node:test'
import { readMessage } from '../../src/openpgp/message.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { fixture } from './fixture.ts'
import { compressed, type Framing, octets, packet, signedMessage } from './write.ts'

function refused(message: Uint8Array, code: string): void {
  assert.throws(() => readMessage(message), { name: 'Refusal', code })
}

function payloadOf(message: Uint8Array): string {
  return Buffer.from(readMessage(message).payload).toString()
}

const whole = signedMessage('{}')
const framings: Framing[] = ['new', 'new-5', 'old-1', 'old-2', 'old-4', 'partial', 'indeterminate']

/** `packets` as the whole content of a compressed packet. */
function wrapped(packets: Uint8Array, algorithm = 1, framing: Framing = 'indeterminate'): Buffer {
  return packet(packetTag.compressed, compressed(algorithm, packets), framing)
}

/** Hex digits, which deflate to no less than half. */
const incompressible = Array.from({ length: 40 }, (_, index) => hash('sha256', `${index}`)).join('')

test('a compressed message is read in any framing of its packet', () => {
  for (const algorithm of [0, 1, 2]) {
    for (const framing of framings) {
      const payload = framing === 'old-1' ? '{}' : incompressible
      const body = compressed(algorithm, signedMessage(payload))
      if (framing === 'old-1' && body.length > 255) continue
      assert.equal(payloadOf(packet(packetTag.compressed, body, framing)), payload)
    }
  }
})

test('anything after the end of the compressed stream in its packet is refused', () => {
  for (const algorithm of [1, 2]) {
    for (const extra of [octets([0]), Buffer.alloc(70_000), compressed(algorithm, whole).subarray(1)]) {
      const body = Buffer.concat([compressed(algorithm, whole), extra])
      for (const framing of ['indeterminate', 'new'] as const) {
        refused(packet(packetTag.compressed, body, framing), 'trailing-data')
      }
    }
  }
})

test('a compressed packet without packets is refused', () => {
  refused(packet(packetTag.compressed, Buffer.alloc(0)), 'truncated')
  for (const algorithm of [0, 1, 2]) refused(wrapped(Buffer.alloc(0), algorithm), 'truncated')
})

test('compression inside compression is refused, whatever the algorithms', () => {
  for (const outer of [0, 1, 2])
    for (const inner of [0, 1, 3]) refused(wrapped(wrapped(whole, inner), outer), 'nested-compression')
})

test('bzip2 and unknown compression algorithms are refused', () => {
  refused(fixture('bzip2.pgp'), 'compression-unsupported')
  for (const algorithm of [3, 4, 100, 255]) refused(wrapped(whole, algorithm), 'compression-unsupported')
})

test('a damaged compressed stream is refused', () => {
  refused(packet(packetTag.compressed, octets([1, 0xff, 0xff, 0xff])), 'compression-invalid')
  refused(packet(packetTag.compressed, octets([2, 0xff, 0xff, 0xff])), 'compression-invalid')
  const wrongChecksum = compressed(2, whole)
  wrongChecksum[wrongChecksum.length - 1] = (wrongChecksum.at(-1) ?? 0) ^ 1
  refused(packet(packetTag.compressed, wrongChecksum), 'compression-invalid')
  // A zlib header that asks for a preset dictionary.
  refused(packet(packetTag.compressed, octets([2, 0x78, 0xbb, 0, 0, 0, 1, 3, 0])), 'compression-invalid')
})
