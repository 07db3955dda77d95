import { Refusal } from '../refusal.ts'
import { atEnd, type Cursor, takeOctet, takeOctets, takeUint32 } from './cursor.ts'

/** Signature subpacket types (RFC 9580, section 5.2.3.7) that are read here. */
const subpacketType = {
  creationTime: 2,
  expirationTime: 3,
  issuerKeyId: 16,
  embeddedSignature: 32,
  issuerFingerprint: 33,
} as const

/** gpg 2.2 refuses a signature with more (g10/parse-packet.c, parse_signature); and anybody can add to that area. */
const maxUnhashedSize = 10_000

const fingerprintSizes = { 4: 20, 6: 32 } as const

/** What the subpackets say. None of it is verified; the issuer need not even be covered by the signature. */
export interface SubpacketFacts {
  /** 16 upper-case hex digits. */
  keyId: string
  /** Upper-case hex. */
  fingerprint: string | null
  /** Seconds since 1970. */
  created: number
  /** Seconds after `created`; null if the signature does not expire. */
  lifetime: number | null
}

/**
 * Both subpacket areas of a signature packet, each filled exactly by its subpackets. The unhashed one can be
 * rewritten by anybody without the key, and the identity of a signature leaves it out; so whatever can be put there
 * to make some client refuse the signature, or take it for somebody else's, is refused.
 */
export function readSubpackets(version: 4 | 6, hashed: Uint8Array, unhashed: Uint8Array): SubpacketFacts {
  if (unhashed.length > maxUnhashedSize) {
    throw malformed(`the unhashed subpackets have more than ${maxUnhashedSize} octets, which gpg refuses`)
  }
  const found: Found = { version, keyId: null, fingerprint: null, created: null, lifetime: null }
  eachSubpacket(hashed, 'The hashed subpacket area', (type, body) => {
    if (type === subpacketType.creationTime) found.created = once(found.created, body, 'creation time')
    else if (type === subpacketType.expirationTime) found.lifetime = once(found.lifetime, body, 'expiration')
    else readIssuer(found, type, body)
  })
  eachSubpacket(unhashed, 'The unhashed subpacket area', (type, body, critical) => {
    requireHarmless(type, critical)
    readIssuer(found, type, body)
  })
  const { keyId, fingerprint, created, lifetime } = found
  if (created === null) throw malformed('it does not say, under its hash, when it was made')
  if (keyId === null) throw malformed('it does not say which key made it')
  return { keyId, fingerprint, created, lifetime: lifetime || null }
}

interface Found {
  version: 4 | 6
  keyId: string | null
  fingerprint: string | null
  created: number | null
  lifetime: number | null
}

function eachSubpacket(
  area: Uint8Array,
  what: string,
  visit: (type: number, body: Uint8Array, critical: boolean) => void,
): void {
  const cursor: Cursor = { octets: area, at: 0, code: 'signature-packet', what }
  while (!atEnd(cursor)) {
    const length = takeSubpacketLength(cursor)
    if (length === 0) throw malformed('a subpacket is empty')
    const typeOctet = takeOctet(cursor)
    requireNoEmbeddedSignature(typeOctet & 0x7f)
    visit(typeOctet & 0x7f, takeOctets(cursor, length - 1), (typeOctet & 0x80) !== 0)
  }
}

/** RFC 9580, section 5.2.3.7: of the type and the body together. */
export function takeSubpacketLength(cursor: Cursor): number {
  const first = takeOctet(cursor)
  if (first < 192) return first
  return first < 255 ? (first - 192) * 256 + takeOctet(cursor) + 192 : takeUint32(cursor)
}

/** Readers differ in which of two they take. */
function once(earlier: number | null, body: Uint8Array, what: string): number {
  if (earlier !== null) throw malformed(`it has more than one ${what}`)
  if (body.length !== 4) throw malformed(`its ${what} is not of four octets`)
  return takeUint32({ octets: body, at: 0, code: 'signature-packet', what })
}

/**
 * Clients that refuse over what stands in the unhashed area: gpg over critical subpackets that it does not know
 * (g10/parse-packet.c, can_handle_critical), a list that depends on its version; Go's x/crypto/openpgp over those too,
 * and over a creation time (packet/signature.go).
 */
function requireHarmless(type: number, critical: boolean): void {
  if (critical) throw malformed(`a subpacket of type ${type} outside its hash is marked critical`)
  if (type === subpacketType.creationTime) throw malformed('its creation time stands outside its hash')
}

/** It belongs to the signatures that bind subkeys; readers parse it, openpgp.js any depth of them, and fail over it. */
function requireNoEmbeddedSignature(type: number): void {
  if (type === subpacketType.embeddedSignature) throw malformed('another signature is embedded in it')
}

function readIssuer(found: Found, type: number, body: Uint8Array): void {
  if (type === subpacketType.issuerKeyId) {
    // RFC 9580, section 5.2.3.12: "If the version of the issuing key is greater than 4, this subpacket MUST NOT be
    // included in the signature."
    if (found.version !== 4) throw malformed('it is of version 6 and names its key as version 4 does')
    if (body.length !== 8) throw malformed('its issuer key id is not of eight octets')
    setKeyId(found, upperHex(body))
  } else if (type === subpacketType.issuerFingerprint) {
    readFingerprint(found, body)
  }
}

function readFingerprint(found: Found, body: Uint8Array): void {
  if (body[0] !== found.version || body.length !== 1 + fingerprintSizes[found.version]) {
    throw malformed(`its issuer fingerprint is not that of a version ${found.version} key`)
  }
  const fingerprint = upperHex(body.subarray(1))
  if (found.fingerprint !== null && found.fingerprint !== fingerprint) throw twoIssuers()
  found.fingerprint = fingerprint
  setKeyId(found, keyIdOf(found.version, fingerprint))
}

/** RFC 9580, section 5.5.4: the low 64 bits of a version 4 fingerprint, the high 64 bits of a version 6 one. */
export function keyIdOf(version: 4 | 6, fingerprint: string): string {
  return version === 4 ? fingerprint.slice(-16) : fingerprint.slice(0, 16)
}

/**
 * Else a published signature with one more issuer would keep its identity while clients look for another key: gpg
 * takes the first one, Go's x/crypto/openpgp the last.
 */
function setKeyId(found: Found, keyId: string): void {
  if (found.keyId !== null && found.keyId !== keyId) throw twoIssuers()
  found.keyId = keyId
}

export function upperHex(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('hex').toUpperCase()
}

function twoIssuers(): Refusal {
  return malformed('it names more than one key as its issuer')
}

function malformed(reason: string): Refusal {
  return new Refusal('signature-packet', `The signature packet is malformed: ${reason}.`)
}
