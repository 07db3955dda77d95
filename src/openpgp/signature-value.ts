import { Refusal } from '../refusal.ts'
import { publicKeyAlgorithm } from './algorithms.ts'
import { type Cursor, takeOctets, takeRest, takeUint16 } from './cursor.ts'

/** gpg refuses longer integers (MAX_EXTERN_MPI_BITS in g10/packet.h and gpg.h); anybody can pad one with zeros. */
const maxMpiBits = 16_384

/**
 * What the key made: the integers of the algorithm, big-endian without leading zeros (RSA one; DSA and ECDSA r, s;
 * EdDSA R, S), or a single value of fixed size (Ed25519, Ed448), or, of an algorithm not known here, all of it as it is.
 */
export type SignatureValue = readonly Uint8Array[]

export function takeSignatureValue(cursor: Cursor, algorithm: number): SignatureValue {
  switch (algorithm) {
    case publicKeyAlgorithm.rsa:
    case publicKeyAlgorithm.rsaEncryptOnly:
    case publicKeyAlgorithm.rsaSignOnly:
      return [takeMpi(cursor)]
    case publicKeyAlgorithm.dsa:
    case publicKeyAlgorithm.ecdsa:
      return [takeMpi(cursor), takeMpi(cursor)]
    case publicKeyAlgorithm.eddsaLegacy:
      return takeEddsaLegacy(cursor)
    case publicKeyAlgorithm.ed25519:
      return [takeEddsa(cursor, ed25519Order)]
    case publicKeyAlgorithm.ed448:
      return [takeEddsa(cursor, ed448Order)]
    default:
      return [takeRest(cursor)]
  }
}

/** The orders of the groups of Ed25519 and Ed448 (RFC 8032, sections 5.1 and 5.2), big-endian, as long as s is. */
const ed25519Order = Buffer.from('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed', 'hex')
const ed448Order = Buffer.from(
  '003fffffffffffffffffffffffffffffffffffffffffffffffffffffff7cca23e9c44edb49aed63690216cc2728dc58f552378c292ab5844f3',
  'hex',
)

/** R and s as octet strings of equal length, each read as a big-endian integer (RFC 9580, section 5.2.3.3). */
function takeEddsaLegacy(cursor: Cursor): SignatureValue {
  const r = takeMpi(cursor)
  const s = takeMpi(cursor)
  // Which curve it is, the key says; Ed25519 is the only one in use with this algorithm.
  if (s.length <= ed25519Order.length) requireReduced(s, ed25519Order)
  return [r, s]
}

function takeEddsa(cursor: Cursor, order: Uint8Array): Uint8Array {
  const value = takeOctets(cursor, 2 * order.length)
  requireReduced(value.subarray(order.length), order)
  return value
}

/**
 * RFC 8032, sections 5.1.7 and 5.2.7: s is below the order. libgcrypt does not look, so that gpg takes s plus any
 * multiple of the order too: from one published signature anybody could make a dozen that are all good.
 */
function requireReduced(s: Uint8Array, order: Uint8Array): void {
  for (const [index, limit] of order.entries()) {
    const octet = s[s.length - 1 - index] ?? 0
    if (octet < limit) return
    if (octet > limit) break
  }
  throw new Refusal(
    'signature-packet',
    'The EdDSA value of the signature is not below the order of its group.',
  )
}

/** RFC 9580, section 3.2. Leading zeros are legal for gpg and carry nothing. */
function takeMpi(cursor: Cursor): Uint8Array {
  const bits = takeUint16(cursor)
  if (bits > maxMpiBits)
    throw new Refusal('signature-packet', `An integer of the signature has ${bits} bits.`)
  const octets = takeOctets(cursor, (bits + 7) >> 3)
  if ((octets[0] ?? 0) >> (((bits + 7) & 7) + 1) !== 0) {
    throw new Refusal('signature-packet', 'An integer of the signature has more bits than it announces.')
  }
  return withoutLeadingZeros(octets)
}

export function withoutLeadingZeros(octets: Uint8Array): Uint8Array {
  const first = octets.findIndex((octet) => octet !== 0)
  return first < 0 ? octets.subarray(octets.length) : octets.subarray(first)
}
