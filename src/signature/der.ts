import { withoutLeadingZeros } from '../openpgp/signature-value.ts'

const tagInteger = 0x02
const tagSequence = 0x30

interface Element {
  start: number
  end: number
}

/**
 * r of an ECDSA signature, without leading zeros; null where the octets are not the strict DER of two positive
 * integers (RFC 3279, section 2.2.3), the only form that Go's crypto/ecdsa takes.
 */
export function ecdsaR(der: Uint8Array): Uint8Array | null {
  const sequence = elementAt(der, 0, tagSequence)
  const r = sequence && elementAt(der, sequence.start, tagInteger)
  const s = r && elementAt(der, r.end, tagInteger)
  if (!sequence || !r || !s || s.end !== der.length || sequence.end !== der.length) return null
  return isPositive(der, r) && isPositive(der, s) ? withoutLeadingZeros(der.subarray(r.start, r.end)) : null
}

/** Lengths to 255: P-521 needs 139. */
function elementAt(der: Uint8Array, at: number, tag: number): Element | null {
  const first = der[at + 1] ?? 0
  const isLong = first === 0x81
  const length = isLong ? (der[at + 2] ?? 0) : first
  const start = at + (isLong ? 3 : 2)
  if (der[at] !== tag || length === 0 || start + length > der.length) return null
  return length >= 0x80 === isLong ? { start, end: start + length } : null
}

function isPositive(der: Uint8Array, { start, end }: Element): boolean {
  const first = der[start] ?? 0
  if (first !== 0) return first < 0x80
  return end - start > 1 && (der[start + 1] ?? 0) >= 0x80
}
