import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { atEnd, type Cursor } from '../../src/openpgp/cursor.ts'
import { packetTag, readPacket } from '../../src/openpgp/packets.ts'
import { type Framing, inParts, octets, packet, packetsOf, uint32 } from './write.ts'

function cursorOver(bytes: Uint8Array): Cursor {
  return { octets: bytes, at: 0, code: 'truncated', what: 'The message' }
}

function refused(bytes: Uint8Array, code: string): void {
  assert.throws(() => readPacket(cursorOver(bytes)), { name: 'Refusal', code })
}

const framings: Framing[] = ['new', 'new-5', 'old-1', 'old-2', 'old-4', 'partial', 'indeterminate']
const definite: Framing[] = ['new', 'new-5', 'old-2', 'old-4']

for (const framing of framings) {
  test(`a literal packet in ${framing} framing is read whole`, () => {
    const body = Buffer.alloc(framing === 'old-1' ? 255 : 5000, 'x')
    const [read] = packetsOf(packet(packetTag.literal, body, framing))
    assert.equal(read?.tag, packetTag.literal)
    assert.deepEqual(Buffer.from(read?.body ?? []), body)
  })
}

test('packets of any length and tag come back as they were written, in any definite framing', () => {
  const lengths = fc.oneof(fc.nat(300), fc.constantFrom(191, 192, 8383, 8384, 65_535), fc.nat(65_535))
  const packets = fc.array(
    fc.record({
      tag: fc.integer({ min: 1, max: 15 }),
      length: lengths,
      framing: fc.constantFrom(...definite),
    }),
    { maxLength: 5 },
  )
  fc.assert(
    fc.property(packets, (written) => {
      const bytes = written.map(({ tag, length, framing }) => packet(tag, Buffer.alloc(length, tag), framing))
      const read = packetsOf(Buffer.concat(bytes)).map(({ tag, body }) => ({ tag, length: body.length }))
      assert.deepEqual(
        read,
        written.map(({ tag, length }) => ({ tag, length })),
      )
    }),
  )
})

test('a literal packet cut into parts of any sizes from 512 on is joined again', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 512, maxLength: 4000 }),
      fc.integer({ min: 9, max: 11 }),
      (body, power) => {
        fc.pre(body.length >= 2 ** power)
        const bytes = Buffer.concat([octets([0xc0 | packetTag.literal]), inParts(body, power)])
        const cursor = cursorOver(bytes)
        assert.deepEqual(Buffer.from(readPacket(cursor).body), Buffer.from(body))
        assert.ok(atEnd(cursor))
      },
    ),
  )
})

test('later parts may be small, and the last one empty', () => {
  const first = Buffer.alloc(512, 'a')
  const bytes = Buffer.concat([octets([0xcb, 0xe9]), first, octets([0xe0, 0x62, 0xe1, 0x63, 0x64, 0])])
  assert.equal(Buffer.from(readPacket(cursorOver(bytes)).body).toString(), `${'a'.repeat(512)}bcd`)
})

test('a first part of under 512 octets is refused', () => {
  refused(Buffer.concat([octets([0xcb]), inParts(Buffer.alloc(600), 8)]), 'not-openpgp')
})

for (const tag of [packetTag.signature, packetTag.onePassSignature, 20, 63]) {
  test(`partial lengths are refused on a packet of type ${tag}`, () => {
    refused(Buffer.concat([octets([0xc0 | tag]), inParts(Buffer.alloc(600), 9)]), 'not-openpgp')
  })
}

for (const tag of [packetTag.signature, packetTag.onePassSignature, packetTag.encrypted]) {
  test(`an indeterminate length is refused on a packet of type ${tag}`, () => {
    refused(packet(tag, Buffer.alloc(20), 'indeterminate'), 'not-openpgp')
  })
}

test('a first octet without its high bit, and the reserved packet type, are refused', () => {
  refused(octets([0x3c, 0x01, 0x00]), 'not-openpgp')
  refused(octets([0xc0, 0x01, 0x00]), 'not-openpgp')
  refused(octets([0x80, 0x01, 0x00]), 'not-openpgp')
})

test('a packet that ends early is refused wherever it is cut', () => {
  for (const framing of framings.filter((framing) => framing !== 'indeterminate')) {
    const whole = packet(packetTag.literal, Buffer.alloc(framing === 'old-1' ? 200 : 1100), framing)
    for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length), 'truncated')
  }
})

test('a length of four gigabytes costs nothing', () => {
  refused(Buffer.concat([octets([0xcb, 0xff]), uint32(0xffffffff), octets([1])]), 'truncated')
  refused(Buffer.concat([octets([0xae]), uint32(0xffffffff), octets([1])]), 'truncated')
  refused(octets([0xcb, 0xfe, 1]), 'truncated')
})
