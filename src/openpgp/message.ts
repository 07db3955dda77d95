import { Refusal } from '../refusal.ts'
import { decompress } from './compression.ts'
import { atEnd, type Cursor } from './cursor.ts'
import { readLiteral } from './literal.ts'
import { readOnePassSignature, requireAgreement } from './one-pass.ts'
import { hexOctet, type Packet, packetTag, readPacket, tagOf } from './packets.ts'
import { readSignaturePacket, type SignaturePacket } from './signature-packet.ts'

/** A well-formed signed message. Whether the signature is any good is for verification to say. */
export interface SignedMessage {
  /** The literal data, octet for octet. */
  payload: Uint8Array
  signature: SignaturePacket
}

/** The first octets that c/image takes for an OpenPGP message (internal/signature/signature.go, FromBlob). */
const firstOctets = new Set([
  0x88, 0x89, 0x8a, 0x8b, 0xc2, 0x90, 0x91, 0x92, 0xc4, 0xa0, 0xa1, 0xa2, 0xa3, 0xc8,
])

const encryptedTags: readonly number[] = [
  packetTag.publicKeyEncryptedSessionKey,
  packetTag.symmetricKeyEncryptedSessionKey,
  packetTag.encrypted,
  packetTag.encryptedIntegrityProtected,
  packetTag.encryptedAead,
]

/**
 * A binary OpenPGP message with one signature over one document: one-pass signature, literal data, signature; or
 * signature, literal data; as it is or in one compressed packet. Each octet belongs to one of these packets, since
 * clients differ in what they make of others: some skip them, some stop, some take a second document for the signed one.
 */
export function readMessage(bytes: Uint8Array): SignedMessage {
  requireClientReadable(bytes)
  const cursor = messageCursor(bytes, 'The message')
  const packet = readPacket(cursor)
  if (packet.tag !== packetTag.compressed) return readSigned(packet, cursor)
  requireEnd(cursor)
  const inner = messageCursor(decompress(packet.body), 'The compressed message')
  const first = readPacket(inner)
  if (first.tag === packetTag.compressed) {
    throw new Refusal('nested-compression', 'The message is compressed more than once.')
  }
  return readSigned(first, inner)
}

function messageCursor(octets: Uint8Array, what: string): Cursor {
  return { octets, at: 0, code: 'truncated', what }
}

/** At any other first octet c/image fails the whole image, not just the one signature. */
function requireClientReadable(bytes: Uint8Array): void {
  const first = bytes[0]
  if (first === undefined) throw new Refusal('empty', 'The signature has no bytes.')
  if (firstOctets.has(first)) return
  if (first & 0x80) refuseUnsigned(tagOf(first))
  throw new Refusal(
    'not-openpgp',
    `A signature made by skopeo, podman or gpg --sign does not start with ${hexOctet(first)}.`,
  )
}

function refuseUnsigned(tag: number): void {
  if (tag === packetTag.literal) throw new Refusal('unsigned', 'The message is not signed.')
  if (encryptedTags.includes(tag)) throw new Refusal('encrypted', 'The message is encrypted.')
}

function readSigned(first: Packet, cursor: Cursor): SignedMessage {
  if (first.tag === packetTag.onePassSignature) return readOnePassSigned(first, cursor)
  if (first.tag === packetTag.signature) return readPrefixSigned(first, cursor)
  refuseUnsigned(first.tag)
  throw unexpected(first.tag, 'a signature')
}

function readOnePassSigned(first: Packet, cursor: Cursor): SignedMessage {
  const onePass = readOnePassSignature(first.body)
  const literal = nextPacket(cursor, packetTag.literal, 'the signed document')
  const last = nextPacket(cursor, packetTag.signature, 'the signature')
  const signature = readSignaturePacket(last.body)
  requireAgreement(onePass, signature)
  return finish(cursor, literal, signature)
}

function readPrefixSigned(first: Packet, cursor: Cursor): SignedMessage {
  const signature = readSignaturePacket(first.body)
  if (atEnd(cursor)) {
    throw new Refusal('detached', 'The signature comes without the claim it signs; sign with gpg --sign.')
  }
  const literal = nextPacket(cursor, packetTag.literal, 'the signed document')
  return finish(cursor, literal, signature)
}

function nextPacket(cursor: Cursor, tag: number, what: string): Packet {
  const packet = readPacket(cursor)
  if (packet.tag === tag) return packet
  if (isSignature(packet.tag)) throw multipleSignatures()
  throw unexpected(packet.tag, what)
}

function finish(cursor: Cursor, literal: Packet, signature: SignaturePacket): SignedMessage {
  requireEnd(cursor)
  const payload = readLiteral(literal.body)
  requireSignsDocument(signature.type, payload)
  return { payload, signature }
}

function requireEnd(cursor: Cursor): void {
  if (atEnd(cursor)) return
  const next = cursor.octets[cursor.at]
  if (next !== undefined && next & 0x80 && isSignature(tagOf(next))) throw multipleSignatures()
  throw new Refusal('trailing-data', 'Something follows the end of the signed message.')
}

/** RFC 9580, section 5.2.1. */
const signatureType = { binary: 0x00, text: 0x01 } as const

/**
 * A text signature is over lines that end in CR LF. gpg hashes the document as it is in the message, other clients
 * convert bare line feeds first; so of a published signature anybody could make one that some accept and gpg refuses.
 */
function requireSignsDocument(type: number, payload: Uint8Array): void {
  if (type === signatureType.binary) return
  if (type !== signatureType.text) {
    throw new Refusal('signature-packet', `A signature of type ${type} does not sign a document.`)
  }
  if (hasBareLineFeed(payload)) {
    throw new Refusal(
      'signature-packet',
      'The signature is over text, and its lines do not end in CR LF: gpg calls it bad. Sign the claim as binary data.',
    )
  }
}

function hasBareLineFeed(payload: Uint8Array): boolean {
  return payload.some((octet, at) => octet === 0x0a && payload[at - 1] !== 0x0d)
}

function isSignature(tag: number): boolean {
  return tag === packetTag.signature || tag === packetTag.onePassSignature
}

function multipleSignatures(): Refusal {
  return new Refusal(
    'multiple-signatures',
    'The message has more than one signature; sign once for each upload.',
  )
}

function unexpected(tag: number, what: string): Refusal {
  return new Refusal(
    'unexpected-packet',
    `An OpenPGP packet of type ${tag} stands where ${what} is expected.`,
  )
}
