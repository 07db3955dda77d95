import { atEnd, type Cursor, takeOctet, takeOctets } from './cursor.ts'
import { takeSubpacketLength } from './subpackets.ts'
import type { CheckableSignature } from './verify.ts'

/**
 * Subpackets (RFC 9580, section 5.2.3.7) that gpg 2.2 takes where they are marked critical (g10/parse-packet.c,
 * can_handle_critical): times, issuer, what only speaks of keys.
 * Notations are not among them: each is known by its name, and none is known here.
 */
const understood = new Set([2, 3, 4, 5, 6, 7, 9, 11, 12, 16, 21, 22, 24, 25, 26, 27, 29, 30, 32, 33])

/**
 * Whether a signature, under its hash, demands of its readers something that is not understood here: then "the
 * evaluator SHOULD consider the signature to be in error" (RFC 9580, section 5.2.3.7), and gpg does.
 */
export function demandsUnknown({ version, hashed }: CheckableSignature): boolean {
  if (version === 3) return false
  const start = version === 4 ? 6 : 8
  const cursor: Cursor = {
    octets: hashed,
    at: start,
    code: 'signature-packet',
    what: 'The hashed subpacket area',
  }
  // `readSubpackets` has been through the area, so that it is known to be filled exactly.
  while (!atEnd(cursor)) {
    const size = takeSubpacketLength(cursor)
    const type = takeOctet(cursor)
    takeOctets(cursor, size - 1)
    if (type & 0x80 && !understood.has(type & 0x7f)) return true
  }
  return false
}
