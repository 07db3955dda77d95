import { constants, hash, verify } from 'node:crypto'
import { publicKeyAlgorithm } from './algorithms.ts'
import { demandsUnknown } from './critical.ts'
import type { PublicKey } from './public-key.ts'
import type { SignaturePacket } from './signature-packet.ts'
import type { SignatureValue } from './signature-value.ts'

/**
 * Whether a key made a signature: the part of a verdict that never changes for the two, whatever the clock says.
 * `weak` is right, with an algorithm, key or hash that proves it no longer.
 */
export type CheckResult = 'good' | 'bad' | 'weak' | 'unsupported'

/** What of a key the result depends on; all of it is fixed by the fingerprint. */
export interface CheckKey {
  /** Public-key algorithm of the key packet. */
  algorithm: number
  /** Seconds since 1970. */
  created: number
  /**
   * Null if the material is none that can be verified with.
   * @internal
   */
  publicKey: PublicKey | null
}

/** What of a signature packet the result depends on. */
export type CheckableSignature = Pick<
  SignaturePacket,
  'version' | 'publicKeyAlgorithm' | 'hashAlgorithm' | 'hashed' | 'salt' | 'value' | 'unverifiedCreated'
>

interface Hash {
  /** As node:crypto calls it. */
  name: string
  /** Octets. */
  size: number
  isWeak: boolean
  isNew?: boolean
}

const hashes: Record<number, Hash> = {
  1: { name: 'md5', size: 16, isWeak: true },
  2: { name: 'sha1', size: 20, isWeak: true },
  3: { name: 'ripemd160', size: 20, isWeak: true },
  8: { name: 'sha256', size: 32, isWeak: false },
  9: { name: 'sha384', size: 48, isWeak: false },
  10: { name: 'sha512', size: 64, isWeak: false },
  11: { name: 'sha224', size: 28, isWeak: false },
  12: { name: 'sha3-256', size: 32, isWeak: false, isNew: true },
  14: { name: 'sha3-512', size: 64, isWeak: false, isNew: true },
}

/** SHA-3 came with version 6: programs that read older signatures do not know it. */
function hashOf({ version, hashAlgorithm }: CheckableSignature): Hash | undefined {
  const hash = hashes[hashAlgorithm]
  return hash?.isNew && version !== 6 ? undefined : hash
}

/** Octets; 0 for a hash that is not known. */
export function hashSize(algorithm: number): number {
  return hashes[algorithm]?.size ?? 0
}

/** A `SignedMessage`, or octets that a signature of a certificate is over. */
export interface Checkable {
  payload: Uint8Array
  signature: CheckableSignature
}

/**
 * Any version of signature, of any algorithm, goes this one way. Of a good signature no other value is good too, but
 * for DSA and ECDSA, where s and its negative are equally so. Nothing else outside the hash changes the result.
 */
export function checkSignature({ payload, signature }: Checkable, key: CheckKey): CheckResult {
  if (!algorithmsAgree(signature, key.algorithm)) return 'bad'
  const hash = hashOf(signature)
  const { publicKey } = key
  if (publicKey === null || hash === undefined) return 'unsupported'
  // As gpg does (g10/sig-check.c, check_signature_metadata_validity).
  if (signature.unverifiedCreated < key.created) return 'bad'
  const value = joinValue(signature.value, publicKey.valueSize)
  if (value === null || !isMadeBy(publicKey, hash, signedOctets(payload, signature), value)) return 'bad'
  if (demandsUnknown(signature)) return 'unsupported'
  return hash.isWeak || hash.size < publicKey.minHashSize || publicKey.isWeak ? 'weak' : 'good'
}

const { rsa, rsaEncryptOnly, rsaSignOnly, dsa, ecdsa, eddsaLegacy } = publicKeyAlgorithm
const rsaNumbers: readonly number[] = [rsa, rsaEncryptOnly, rsaSignOnly]
const twoIntegers: readonly number[] = [dsa, ecdsa, eddsaLegacy]

/**
 * Version 3 has its algorithm outside the hash, so that anybody can change the number. There gpg goes by the key, and
 * the identity of a signature takes numbers of one form as one; so must the result.
 */
function algorithmsAgree({ version, publicKeyAlgorithm }: CheckableSignature, ofKey: number): boolean {
  const agree = (numbers: readonly number[]) =>
    numbers.includes(publicKeyAlgorithm) && numbers.includes(ofKey)
  return publicKeyAlgorithm === ofKey || agree(rsaNumbers) || (version === 3 && agree(twoIntegers))
}

/** RFC 9580, section 5.2.4. Of a text signature the payload is signed as it stands: `readMessage` takes no other. */
function signedOctets(payload: Uint8Array, { version, hashed, salt }: CheckableSignature): Buffer {
  if (version === 3) return Buffer.concat([payload, hashed])
  const trailer = Buffer.of(version, 0xff, 0, 0, 0, 0)
  trailer.writeUInt32BE(hashed.length, 2)
  return Buffer.concat(salt === null ? [payload, hashed, trailer] : [salt, payload, hashed, trailer])
}

/** The parts at their full size, one behind the other; null where one is too long for the key. */
function joinValue(value: SignatureValue, size: number): Uint8Array | null {
  const joined = Buffer.alloc(size * value.length)
  for (const [index, part] of value.entries()) {
    if (part.length > size) return null
    joined.set(part, size * (index + 1) - part.length)
  }
  return joined
}

function isMadeBy({ key }: PublicKey, { name }: Hash, octets: Uint8Array, value: Uint8Array): boolean {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
    case 'ed448':
      // OpenPGP signs the hash; these algorithms hash what they sign once more by themselves.
      return verify(null, hash(name, octets, 'buffer'), key, value)
    case 'rsa':
      return verify(name, octets, { key, padding: constants.RSA_PKCS1_PADDING }, value)
    default:
      return verify(name, octets, { key, dsaEncoding: 'ieee-p1363' }, value)
  }
}
