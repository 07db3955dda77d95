import { deflateRawSync, deflateSync } from 'node:zlib'
import { atEnd, type Cursor } from '../../src/openpgp/cursor.ts'
import { type Packet, packetTag, readPacket } from '../../src/openpgp/packets.ts'

/** Writes OpenPGP packets of any shape, well formed or not; the reader under test refuses most of what this can write. */

export type Framing = 'new' | 'new-5' | 'old-1' | 'old-2' | 'old-4' | 'partial' | 'indeterminate'

export function packet(tag: number, body: Uint8Array, framing: Framing = 'new'): Buffer {
  const oldTag = 0x80 | (tag << 2)
  switch (framing) {
    case 'new':
      return Buffer.concat([[0xc0 | tag], newLength(body.length), body].map(octets))
    case 'new-5':
      return Buffer.concat([octets([0xc0 | tag, 255]), uint32(body.length), body])
    case 'old-1':
      return Buffer.concat([octets([oldTag, body.length]), body])
    case 'old-2':
      return Buffer.concat([octets([oldTag | 1]), uint16(body.length), body])
    case 'old-4':
      return Buffer.concat([octets([oldTag | 2]), uint32(body.length), body])
    case 'indeterminate':
      return Buffer.concat([octets([oldTag | 3]), body])
    case 'partial':
      return Buffer.concat([octets([0xc0 | tag]), inParts(body, 9)])
  }
}

/** Partial lengths: a part of 2^`power` octets while that many are left, then the rest. */
export function inParts(body: Uint8Array, power: number): Buffer {
  const parts: Uint8Array[] = []
  let at = 0
  for (; body.length - at >= 2 ** power; at += 2 ** power) {
    parts.push(octets([224 + power]), body.subarray(at, at + 2 ** power))
  }
  const rest = body.subarray(at)
  return Buffer.concat([...parts, octets(newLength(rest.length)), rest])
}

export function literal(
  payload: Uint8Array | string,
  { format = 'b', name = '', date = 0 }: { format?: string; name?: string; date?: number } = {},
): Buffer {
  const fileName = Buffer.from(name)
  return Buffer.concat([
    Buffer.from(format),
    octets([fileName.length]),
    fileName,
    uint32(date),
    Buffer.from(payload),
  ])
}

export interface SignatureFields {
  version: 3 | 4 | 6
  type: number
  publicKeyAlgorithm: number
  hashAlgorithm: number
  hashed: Uint8Array
  unhashed: Uint8Array
  salt: Uint8Array
  created: number
  keyId: string
  value: Uint8Array
}

export const exampleKeyId = '0123456789ABCDEF'
export const exampleFingerprint = `00112233445566778899AABB${exampleKeyId}`
export const exampleCreated = 1_700_000_000

const exampleFields: SignatureFields = {
  version: 4,
  type: 0,
  publicKeyAlgorithm: 1,
  hashAlgorithm: 8,
  hashed: Buffer.concat([created(exampleCreated), issuerFingerprint(exampleFingerprint)]),
  unhashed: issuer(exampleKeyId),
  salt: Buffer.alloc(16, 5),
  created: exampleCreated,
  keyId: exampleKeyId,
  value: mpi(Buffer.alloc(256, 0xa5)),
}

/** The body of a signature packet: a well-formed RSA one of version 4, but for the given fields. */
export function signature(fields: Partial<SignatureFields> = {}): Buffer {
  const { version, type, publicKeyAlgorithm, hashAlgorithm, ...rest } = { ...exampleFields, ...fields }
  const hashStart = octets([0x12, 0x34])
  if (version === 3) {
    const hashed = Buffer.concat([octets([type]), uint32(rest.created)])
    const issuerOctets = Buffer.from(rest.keyId, 'hex')
    const algorithms = octets([publicKeyAlgorithm, hashAlgorithm])
    return Buffer.concat([octets([3, 5]), hashed, issuerOctets, algorithms, hashStart, rest.value])
  }
  const size = version === 4 ? uint16 : uint32
  return Buffer.concat([
    octets([version, type, publicKeyAlgorithm, hashAlgorithm]),
    size(rest.hashed.length),
    rest.hashed,
    size(rest.unhashed.length),
    rest.unhashed,
    hashStart,
    version === 6 ? Buffer.concat([octets([rest.salt.length]), rest.salt]) : octets([]),
    rest.value,
  ])
}

export const exampleFingerprint6 = exampleKeyId + 'AB'.repeat(24)

/** What `signature` needs for version 6 to be well formed. */
export const version6: Partial<SignatureFields> = {
  version: 6,
  publicKeyAlgorithm: 27,
  hashed: Buffer.concat([created(exampleCreated), issuerFingerprint(exampleFingerprint6, 6)]),
  unhashed: Buffer.alloc(0),
  value: Buffer.alloc(64),
}

export interface OnePassFields {
  version: number
  type: number
  hashAlgorithm: number
  publicKeyAlgorithm: number
  salt: Uint8Array
  /** Key id or fingerprint, in hex. */
  issuer: string
  last: number
}

/** The body of a one-pass packet that goes with `signature` of the same version, but for the given fields. */
export function onePass(fields: Partial<OnePassFields> = {}): Buffer {
  const isVersion6 = fields.version === 6
  const { version, type, hashAlgorithm, publicKeyAlgorithm, salt, issuer, last } = {
    version: 3,
    type: 0,
    hashAlgorithm: 8,
    publicKeyAlgorithm: isVersion6 ? 27 : 1,
    salt: exampleFields.salt,
    issuer: isVersion6 ? exampleFingerprint6 : exampleKeyId,
    last: 1,
    ...fields,
  }
  return Buffer.concat([
    octets([version, type, hashAlgorithm, publicKeyAlgorithm]),
    isVersion6 ? Buffer.concat([octets([salt.length]), salt]) : octets([]),
    Buffer.from(issuer, 'hex'),
    octets([last]),
  ])
}

export function subpacket(type: number, body: Uint8Array, { critical = false } = {}): Buffer {
  const typeOctet = octets([type | (critical ? 0x80 : 0)])
  return Buffer.concat([octets(subpacketLength(body.length + 1)), typeOctet, body])
}

export function created(seconds: number): Buffer {
  return subpacket(2, uint32(seconds))
}

export function expires(secondsLater: number): Buffer {
  return subpacket(3, uint32(secondsLater))
}

export function issuer(keyId: string): Buffer {
  return subpacket(16, Buffer.from(keyId, 'hex'))
}

export function issuerFingerprint(fingerprint: string, version = 4): Buffer {
  return subpacket(33, Buffer.from(version.toString(16).padStart(2, '0') + fingerprint, 'hex'))
}

/** An integer as its octets stand, leading zeros included in the announced bits. */
export function mpi(value: Uint8Array): Buffer {
  const first = value.findIndex((octet) => octet !== 0)
  const bits = first === 0 ? value.length * 8 - Math.clz32(value[0] ?? 0) + 24 : value.length * 8
  return Buffer.concat([uint16(bits), value])
}

export function compressed(algorithm: number, packets: Uint8Array): Buffer {
  const data = algorithm === 1 ? deflateRawSync(packets) : algorithm === 2 ? deflateSync(packets) : packets
  return Buffer.concat([octets([algorithm]), data])
}

export function armored(
  message: Uint8Array,
  { label = 'PGP MESSAGE', headers = '', checksum = '' } = {},
): Buffer {
  const data = Buffer.from(message).toString('base64').replace(/.{64}/g, '$&\n')
  const trailer = checksum && `\n=${checksum}`
  return Buffer.from(`-----BEGIN ${label}-----\n${headers}\n${data}${trailer}\n-----END ${label}-----\n`)
}

/** RFC 9580, section 6.1.1, by long division. */
export function checksumOf(data: Uint8Array): string {
  let rest = 0xb704ce
  for (const octet of data)
    for (let bit = 7; bit >= 0; bit--) {
      const isCarried = ((rest >> 23) ^ (octet >> bit)) & 1
      rest = ((rest << 1) & 0xffffff) ^ (isCarried ? 0x864cfb : 0)
    }
  return octets([rest >> 16, rest >> 8, rest].map((part) => part & 0xff)).toString('base64')
}

/** The packets of a binary message that is not compressed. */
export function packetsOf(message: Uint8Array): Packet[] {
  const cursor: Cursor = { octets: message, at: 0, code: 'truncated', what: 'The message' }
  const packets: Packet[] = []
  while (!atEnd(cursor)) packets.push(readPacket(cursor))
  return packets
}

/** A one-pass signed message of the example key over `payload`, in one framing. */
export function signedMessage(payload: Uint8Array | string, framing: Framing = 'new'): Buffer {
  return Buffer.concat([
    packet(packetTag.onePassSignature, onePass(), framing),
    packet(packetTag.literal, literal(payload), framing),
    packet(packetTag.signature, signature(), framing),
  ])
}

export function octets(values: ArrayLike<number>): Buffer {
  return Buffer.from(Array.from(values))
}

export function uint16(value: number): Buffer {
  return octets([value >> 8, value & 0xff])
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

function newLength(length: number): number[] {
  if (length < 192) return [length]
  if (length < 8384) return [192 + ((length - 192) >> 8), (length - 192) & 0xff]
  return [255, ...uint32(length)]
}

/** As `newLength`, but two octets reach as far as 254 (RFC 9580, section 5.2.3.7). */
function subpacketLength(length: number): number[] {
  if (length < 192) return [length]
  if (length < 16_320) return [192 + ((length - 192) >> 8), (length - 192) & 0xff]
  return [255, ...uint32(length)]
}
