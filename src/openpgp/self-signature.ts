import * as openpgp from 'openpgp'
import { publicKeyAlgorithm } from './algorithms.ts'
import type { PublicKey } from './public-key.ts'
import { readSignaturePacket } from './signature-packet.ts'
import { upperHex } from './subpackets.ts'
import { type CheckableSignature, type CheckKey, checkSignature, hashSize } from './verify.ts'

/** What a key says, under a signature, of itself, of a user id or of a subkey. Times are in seconds since 1970. */
export interface SelfSignature {
  created: number
  /** When the signature itself ends; null if never. */
  expires: number | null
  /** Seconds after the creation of the key that it speaks of; null if it sets no end. */
  keyLifetime: number | null
  /** First octet of the key flags (RFC 9580, section 5.2.3.29); null if it has none. */
  keyFlags: number | null
  isPrimaryUserId: boolean
  /** That it is a revocation. */
  revokes: boolean
}

/** A signature packet of a certificate, as it was read: nothing of it is verified. */
export interface CertificateSignature extends CheckableSignature {
  type: number
  /** 16 upper-case hex digits; anybody can write such a thing. */
  keyId: string
  facts: SelfSignature
  /** The key that may revoke this one in its place (RFC 9580, section 5.2.3.23): its fingerprint, upper-case hex. */
  revoker: string | null
  /** The signature of a subkey in the one that binds it. */
  embedded: CertificateSignature | null
}

/** Signature types (RFC 9580, section 5.2.1). */
export const signatureType = {
  certificationGeneric: 0x10,
  certificationPositive: 0x13,
  subkeyBinding: 0x18,
  primaryKeyBinding: 0x19,
  directKey: 0x1f,
  keyRevocation: 0x20,
  subkeyRevocation: 0x28,
  certificationRevocation: 0x30,
} as const

/** Throws where the packet is malformed, or of a version or algorithm that is not known. */
export function readCertificateSignature(body: Uint8Array): CertificateSignature {
  if (body[0] === 3) return readVersion3(body)
  const packet = new openpgp.SignaturePacket()
  packet.read(body)
  return fromPacket(packet)
}

/** openpgp.js does not read them; gpg does, and such a revocation must not be overlooked. */
function readVersion3(body: Uint8Array): CertificateSignature {
  const packet = readSignaturePacket(body)
  const facts = { expires: null, keyLifetime: null, keyFlags: null, isPrimaryUserId: false }
  return {
    ...packet,
    keyId: packet.unverifiedKeyId,
    facts: { ...facts, created: packet.unverifiedCreated, revokes: isRevocation(packet.type) },
    revoker: null,
    embedded: null,
  }
}

/** What openpgp.js reads, and does not declare. */
interface Undeclared {
  salt: Uint8Array | null
  params: { s?: Uint8Array; r?: Uint8Array; RS?: Uint8Array }
}

function fromPacket(packet: openpgp.SignaturePacket): CertificateSignature {
  const { salt, params } = packet as unknown as Undeclared
  const { signatureData, revocationKeyFingerprint, embeddedSignature, keyExpirationTime, keyFlags } = packet
  const type = packet.signatureType ?? 0
  const created = Math.floor((packet.created?.getTime() ?? 0) / 1000)
  return {
    version: packet.version === 6 ? 6 : 4,
    type,
    publicKeyAlgorithm: packet.publicKeyAlgorithm ?? 0,
    hashAlgorithm: packet.hashAlgorithm ?? 0,
    hashed: signatureData ?? Buffer.alloc(0),
    salt,
    value: [params.r, params.s, params.RS].filter((part) => part !== undefined),
    unverifiedCreated: created,
    keyId: packet.issuerKeyID.toHex().toUpperCase(),
    facts: {
      created,
      expires: packet.signatureExpirationTime ? created + packet.signatureExpirationTime : null,
      keyLifetime: keyExpirationTime || null,
      keyFlags: keyFlags && (keyFlags[0] ?? 0),
      isPrimaryUserId: packet.isPrimaryUserID === true,
      revokes: isRevocation(type),
    },
    revoker: revocationKeyFingerprint && upperHex(revocationKeyFingerprint),
    embedded: embeddedSignature && fromPacket(embeddedSignature),
  }
}

function isRevocation(type: number): boolean {
  const { keyRevocation, subkeyRevocation, certificationRevocation } = signatureType
  return ([keyRevocation, subkeyRevocation, certificationRevocation] as number[]).includes(type)
}

const md5 = 1

/**
 * Whether a key made the signature over these octets, whatever the times in it. SHA-1 and RIPEMD-160 count here, as they
 * do for gpg 2.2: many keys in use have such signatures, and a revocation must not be overlooked for its hash.
 */
export function isGenuine(signature: CertificateSignature, octets: Uint8Array, key: CheckKey): boolean {
  if (signature.hashAlgorithm === md5) return false
  if (key.algorithm === publicKeyAlgorithm.ecdsa && isHashShort(signature, key.publicKey)) return false
  try {
    const result = checkSignature({ payload: octets, signature }, key)
    return result === 'good' || result === 'weak'
  } catch {
    // Of openpgp.js, subpackets that do not fill their area.
    return false
  }
}

/** gpg refuses these even where it takes SHA-1 otherwise. */
function isHashShort({ hashAlgorithm }: CertificateSignature, publicKey: PublicKey | null): boolean {
  return hashSize(hashAlgorithm) < (publicKey?.minHashSize ?? 0)
}
