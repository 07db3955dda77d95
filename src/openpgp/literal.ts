import { Refusal } from '../refusal.ts'
import { type Cursor, takeOctet, takeOctets, takeRest } from './cursor.ts'

/** Binary, text, UTF-8 (RFC 9580, section 5.9); local, twice (RFC 1991, RFC 4880); MIME, which gpg has an option for. */
const formats = 'btul1m'

/**
 * The document in a literal data packet. Its format, file name and date are outside the signature; what clients do
 * by the format, dropping carriage returns from the text ones (gpg), leaves a JSON document the same.
 */
export function readLiteral(body: Uint8Array): Uint8Array {
  const cursor: Cursor = { octets: body, at: 0, code: 'truncated', what: 'The literal data packet' }
  const format = String.fromCharCode(takeOctet(cursor))
  if (!formats.includes(format)) {
    throw new Refusal(
      'unexpected-packet',
      `The format ${JSON.stringify(format)} of the signed document is not known.`,
    )
  }
  const nameLength = takeOctet(cursor)
  takeOctets(cursor, nameLength)
  takeOctets(cursor, 4)
  return takeRest(cursor)
}
