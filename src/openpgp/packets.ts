import { Refusal } from '../refusal.ts'
import { type Cursor, takeOctet, takeOctets, takeRest, takeUint16, takeUint32 } from './cursor.ts'

/** Packet types (RFC 9580, section 5). */
export const packetTag = {
  publicKeyEncryptedSessionKey: 1,
  signature: 2,
  symmetricKeyEncryptedSessionKey: 3,
  onePassSignature: 4,
  compressed: 8,
  encrypted: 9,
  literal: 11,
  encryptedIntegrityProtected: 18,
  /** Of LibrePGP; GnuPG 2.3 and later write it. */
  encryptedAead: 20,
} as const

export interface Packet {
  tag: number
  /** A view into the input, or a copy where partial lengths had cut it up. */
  body: Uint8Array
}

/** RFC 9580, section 4.2.1.4: "The first partial length MUST be at least 512 octets long." */
const minFirstChunk = 512

/**
 * The packet at the cursor, in the old or new format (RFC 9580, section 4.2). Bodies of unknown length are read only
 * where the RFC allows them: literal and compressed data. Time and memory are linear in what the packet holds.
 */
export function readPacket(cursor: Cursor): Packet {
  const header = takeOctet(cursor)
  if ((header & 0x80) === 0) {
    throw new Refusal('not-openpgp', `No OpenPGP packet starts with ${hexOctet(header)}.`)
  }
  const tag = tagOf(header)
  if (tag === 0) throw new Refusal('not-openpgp', 'OpenPGP reserves the packet type 0; nothing may use it.')
  return {
    tag,
    body: isNewFormat(header) ? newFormatBody(cursor, tag) : oldFormatBody(cursor, tag, header & 0x03),
  }
}

/** The packet type in the first octet of a packet. */
export function tagOf(header: number): number {
  return isNewFormat(header) ? header & 0x3f : (header >> 2) & 0x0f
}

function isNewFormat(header: number): boolean {
  return (header & 0x40) !== 0
}

export function hexOctet(octet: number): string {
  return `0x${octet.toString(16).padStart(2, '0')}`
}

function oldFormatBody(cursor: Cursor, tag: number, lengthType: number): Uint8Array {
  switch (lengthType) {
    case 0:
      return takeOctets(cursor, takeOctet(cursor))
    case 1:
      return takeOctets(cursor, takeUint16(cursor))
    case 2:
      return takeOctets(cursor, takeUint32(cursor))
    default:
      requireStreamable(tag)
      return takeRest(cursor)
  }
}

function newFormatBody(cursor: Cursor, tag: number): Uint8Array {
  const length = takeLength(cursor)
  if (!length.partial) return takeOctets(cursor, length.octets)
  requireStreamable(tag)
  if (length.octets < minFirstChunk) {
    throw new Refusal('not-openpgp', `The first part of a packet in parts has under ${minFirstChunk} octets.`)
  }
  return takeChunks(cursor, length.octets)
}

function takeChunks(cursor: Cursor, firstLength: number): Uint8Array {
  const joined = new Uint8Array(cursor.octets.length - cursor.at)
  joined.set(takeOctets(cursor, firstLength))
  let size = firstLength
  let length: Length
  do {
    length = takeLength(cursor)
    joined.set(takeOctets(cursor, length.octets), size)
    size += length.octets
  } while (length.partial)
  return joined.subarray(0, size)
}

interface Length {
  octets: number
  partial: boolean
}

function takeLength(cursor: Cursor): Length {
  const first = takeOctet(cursor)
  if (first < 192) return { octets: first, partial: false }
  if (first < 224) return { octets: (first - 192) * 256 + takeOctet(cursor) + 192, partial: false }
  if (first < 255) return { octets: 2 ** (first & 0x1f), partial: true }
  return { octets: takeUint32(cursor), partial: false }
}

function requireStreamable(tag: number): void {
  if (tag === packetTag.literal || tag === packetTag.compressed) return
  throw new Refusal('not-openpgp', `An OpenPGP packet of type ${tag} must announce its length.`)
}
