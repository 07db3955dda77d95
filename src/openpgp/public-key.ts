import { createPublicKey, type KeyObject } from 'node:crypto'
import { publicKeyAlgorithm } from './algorithms.ts'
import { withoutLeadingZeros } from './signature-value.ts'

/** Key material that node:crypto verifies with. */
export interface PublicKey {
  key: KeyObject
  /** Octets of each part of a signature value, in the form that node:crypto takes. */
  valueSize: number
  /** Octets; a shorter hash than that is weaker than the key. */
  minHashSize: number
  /** That nobody should rely on such a key any more: RSA under 2047 bits, DSA. */
  isWeak: boolean
}

/** NIST SP 800-131A ends RSA under 2048 bits; moduli of 2047 come from products of two primes of 1024. */
const minRsaBits = 2047

/** What a key packet of one of these algorithms holds; integers are big-endian. */
export interface PublicParams {
  n?: Uint8Array
  e?: Uint8Array
  p?: Uint8Array
  q?: Uint8Array
  g?: Uint8Array
  y?: Uint8Array
  oid?: { toHex(): string }
  Q?: Uint8Array
  A?: Uint8Array
}

interface Curve {
  /** Octets of the order of the group. */
  size: number
  /** gpg refuses a shorter hash with the curve (g10/seskey.c, encode_md_value), as RFC 9580 asks (section 5.2.3.2). */
  minHashSize: number
}

/** By the hex of their object identifiers (RFC 9580, section 9.2). secp256k1 is not among those; gpg has it. */
const curves: Record<string, Curve> = {
  '2a8648ce3d030107': { size: 32, minHashSize: 32 },
  '2b81040022': { size: 48, minHashSize: 48 },
  // There is no hash as long as P-521.
  '2b81040023': { size: 66, minHashSize: 64 },
  '2b8104000a': { size: 32, minHashSize: 32 },
  '2b2403030208010107': { size: 32, minHashSize: 32 },
  '2b240303020801010b': { size: 48, minHashSize: 48 },
  '2b240303020801010d': { size: 64, minHashSize: 64 },
}

const ed25519Oid = '2b06010401da470f01'

/** Null where the algorithm, the curve or the key itself is none that can be verified with. */
export function publicKeyOf(algorithm: number, params: PublicParams): PublicKey | null {
  try {
    return read(algorithm, params)
  } catch {
    // OpenSSL refuses it: a point that is not on its curve, a modulus of a hundred thousand bits.
    return null
  }
}

function read(algorithm: number, params: PublicParams): PublicKey | null {
  switch (algorithm) {
    case publicKeyAlgorithm.rsa:
    case publicKeyAlgorithm.rsaEncryptOnly:
    case publicKeyAlgorithm.rsaSignOnly:
      return rsa(params)
    case publicKeyAlgorithm.dsa:
      return dsa(params)
    case publicKeyAlgorithm.ecdsa:
      return ecdsa(params)
    case publicKeyAlgorithm.eddsaLegacy:
      return eddsaLegacy(params)
    // The hashes are those of RFC 9580, sections 5.2.3.4 and 5.2.3.5.
    case publicKeyAlgorithm.ed25519:
      return eddsa(ed25519, params.A, { pointSize: 32, valueSize: 64, minHashSize: 32 })
    case publicKeyAlgorithm.ed448:
      return eddsa(ed448, params.A, { pointSize: 57, valueSize: 114, minHashSize: 64 })
    default:
      return null
  }
}

function rsa({ n = none, e = none }: PublicParams): PublicKey {
  const modulus = withoutLeadingZeros(n)
  const bits = modulus.length * 8 - (Math.clz32(modulus[0] ?? 0) - 24)
  return {
    key: keyOf(rsaEncryption, nul, sequence(integer(n), integer(e))),
    valueSize: modulus.length,
    minHashSize: 0,
    isWeak: bits < minRsaBits,
  }
}

function dsa({ p = none, q = none, g = none, y = none }: PublicParams): PublicKey {
  const key = keyOf(idDsa, sequence(integer(p), integer(q), integer(g)), integer(y))
  return { key, valueSize: withoutLeadingZeros(q).length, minHashSize: 0, isWeak: true }
}

function ecdsa({ oid, Q = none }: PublicParams): PublicKey | null {
  const hex = oid?.toHex() ?? ''
  const curve = curves[hex]
  // RFC 9580, section 11.2.1: of an SEC1 point, only the uncompressed form.
  if (curve === undefined || Q[0] !== 0x04) return null
  const key = keyOf(idEcPublicKey, element(0x06, Buffer.from(hex, 'hex')), Q)
  return { key, valueSize: curve.size, minHashSize: curve.minHashSize, isWeak: false }
}

function eddsaLegacy({ oid, Q = none }: PublicParams): PublicKey | null {
  // RFC 9580, section 11.2.2: a prefixed native point.
  if (oid?.toHex() !== ed25519Oid || Q[0] !== 0x40) return null
  return eddsa(ed25519, Q.subarray(1), { pointSize: 32, valueSize: 32, minHashSize: 32 })
}

interface EddsaSizes {
  pointSize: number
  valueSize: number
  minHashSize: number
}

function eddsa(identifier: Buffer, point: Uint8Array = none, sizes: EddsaSizes): PublicKey | null {
  const { pointSize, valueSize, minHashSize } = sizes
  if (point.length !== pointSize) return null
  return { key: keyOf(identifier, none, point), valueSize, minHashSize, isWeak: false }
}

const none = Buffer.alloc(0)

// DER of a SubjectPublicKeyInfo (RFC 5280, section 4.1): the one form in which node:crypto takes all of these.
const rsaEncryption = Buffer.from('06092a864886f70d010101', 'hex')
const idDsa = Buffer.from('06072a8648ce380401', 'hex')
const idEcPublicKey = Buffer.from('06072a8648ce3d0201', 'hex')
const ed25519 = Buffer.from('06032b6570', 'hex')
const ed448 = Buffer.from('06032b6571', 'hex')
const nul = Buffer.from('0500', 'hex')

function keyOf(identifier: Uint8Array, parameters: Uint8Array, bits: Uint8Array): KeyObject {
  const der = sequence(sequence(identifier, parameters), element(0x03, Buffer.of(0), bits))
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

function sequence(...parts: Uint8Array[]): Buffer {
  return element(0x30, ...parts)
}

function integer(value: Uint8Array): Buffer {
  const digits = withoutLeadingZeros(value)
  return element(0x02, (digits[0] ?? 0) < 0x80 && digits.length > 0 ? none : Buffer.of(0), digits)
}

function element(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  return length < 0x10000
    ? [0x82, length >> 8, length & 0xff]
    : [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
}
