import { Refusal } from '../refusal.ts'
import { saltSizes } from './algorithms.ts'
import { atEnd, type Cursor, takeOctet, takeOctets, takeUint16, takeUint32 } from './cursor.ts'
import { type SignatureValue, takeSignatureValue } from './signature-value.ts'
import { readSubpackets, upperHex } from './subpackets.ts'

/**
 * A signature packet (RFC 9580, section 5.2) that is well formed. Nothing in it is verified: that the signature was
 * made by the key it names, or at the time it gives, is for verification to say.
 */
export interface SignaturePacket {
  version: 3 | 4 | 6
  /** 0 over binary data, 1 over text; others certify keys. */
  type: number
  publicKeyAlgorithm: number
  hashAlgorithm: number
  /**
   * What the signature covers beside the payload: from the version through the hashed subpackets; in version 3 the
   * type and creation time alone. The trailer with its length (section 5.2.4) is not part of it.
   */
  hashed: Uint8Array
  /** Version 6 only; it is hashed before the payload. */
  salt: Uint8Array | null
  value: SignatureValue
  /** 16 upper-case hex digits. */
  unverifiedKeyId: string
  /** Upper-case hex; null where only the key id is given. Anybody can add one that fits the key id. */
  unverifiedFingerprint: string | null
  /** Seconds since 1970. */
  unverifiedCreated: number
  /** Seconds since 1970; null if the signature does not expire. */
  unverifiedExpires: number | null
  /** The body of the whole packet, without its header. */
  body: Uint8Array
}

export function readSignaturePacket(body: Uint8Array): SignaturePacket {
  const cursor: Cursor = { octets: body, at: 0, code: 'signature-packet', what: 'The signature packet' }
  const version = takeOctet(cursor)
  if (version !== 3 && version !== 4 && version !== 6) {
    throw new Refusal('signature-packet', `Signature packets of version ${version} are not read here.`)
  }
  const packet = version === 3 ? takeVersion3(cursor) : takeVersion4Or6(cursor, version)
  if (!atEnd(cursor)) {
    throw new Refusal('signature-packet', 'The signature packet goes on after the end of its signature.')
  }
  return packet
}

/** RFC 9580, section 5.2.2. */
function takeVersion3(cursor: Cursor): SignaturePacket {
  if (takeOctet(cursor) !== 5) {
    throw new Refusal(
      'signature-packet',
      'A signature of version 3 hashes five octets; this one says otherwise.',
    )
  }
  const hashed = takeOctets(cursor, 5)
  const fields: Cursor = { ...cursor, at: cursor.at - 5 }
  const type = takeOctet(fields)
  const created = takeUint32(fields)
  const unverifiedKeyId = upperHex(takeOctets(cursor, 8))
  const publicKeyAlgorithm = takeOctet(cursor)
  const hashAlgorithm = takeOctet(cursor)
  takeHashStart(cursor)
  return {
    version: 3,
    type,
    publicKeyAlgorithm,
    hashAlgorithm,
    hashed,
    salt: null,
    value: takeSignatureValue(cursor, publicKeyAlgorithm),
    unverifiedKeyId,
    unverifiedFingerprint: null,
    unverifiedCreated: created,
    unverifiedExpires: null,
    body: cursor.octets,
  }
}

/** RFC 9580, section 5.2.3. */
function takeVersion4Or6(cursor: Cursor, version: 4 | 6): SignaturePacket {
  const takeAreaSize = version === 4 ? takeUint16 : takeUint32
  const type = takeOctet(cursor)
  const publicKeyAlgorithm = takeOctet(cursor)
  const hashAlgorithm = takeOctet(cursor)
  const hashedSubpackets = takeOctets(cursor, takeAreaSize(cursor))
  const hashed = cursor.octets.subarray(0, cursor.at)
  const unhashedSubpackets = takeOctets(cursor, takeAreaSize(cursor))
  takeHashStart(cursor)
  const salt = version === 6 ? takeSalt(cursor, hashAlgorithm) : null
  const value = takeSignatureValue(cursor, publicKeyAlgorithm)
  const { keyId, fingerprint, created, lifetime } = readSubpackets(
    version,
    hashedSubpackets,
    unhashedSubpackets,
  )
  return {
    version,
    type,
    publicKeyAlgorithm,
    hashAlgorithm,
    hashed,
    salt,
    value,
    unverifiedKeyId: keyId,
    unverifiedFingerprint: fingerprint,
    unverifiedCreated: created,
    unverifiedExpires: lifetime === null ? null : created + lifetime,
    body: cursor.octets,
  }
}

/** The first two octets of the hash: a hint for readers, not covered by the signature and checked by few. */
function takeHashStart(cursor: Cursor): void {
  takeOctets(cursor, 2)
}

/** RFC 9580, section 5.2.3: a salt of another size than its hash has makes the signature malformed. */
export function takeSalt(cursor: Cursor, hashAlgorithm: number): Uint8Array {
  const size = takeOctet(cursor)
  if (size !== (saltSizes[hashAlgorithm] ?? size)) {
    throw new Refusal(
      'signature-packet',
      `A salt of ${size} octets does not go with hash algorithm ${hashAlgorithm}.`,
    )
  }
  return takeOctets(cursor, size)
}
