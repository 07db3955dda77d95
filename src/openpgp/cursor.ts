import { Refusal, type RefusalCode } from '../refusal.ts'

/** A place in a run of octets. Reading past their end is refused with `code`; `what` names the octets in the sentence. */
export interface Cursor {
  readonly octets: Uint8Array
  at: number
  readonly code: RefusalCode
  readonly what: string
}

export function atEnd(cursor: Cursor): boolean {
  return cursor.at === cursor.octets.length
}

export function takeOctet(cursor: Cursor): number {
  const octet = cursor.octets[cursor.at]
  if (octet === undefined) throw endsEarly(cursor)
  cursor.at++
  return octet
}

export function takeUint16(cursor: Cursor): number {
  return takeOctet(cursor) * 0x100 + takeOctet(cursor)
}

export function takeUint32(cursor: Cursor): number {
  return takeUint16(cursor) * 0x10000 + takeUint16(cursor)
}

/** A view, not a copy. */
export function takeOctets(cursor: Cursor, count: number): Uint8Array {
  if (count > cursor.octets.length - cursor.at) throw endsEarly(cursor)
  const start = cursor.at
  cursor.at += count
  return cursor.octets.subarray(start, cursor.at)
}

/** A view, not a copy. */
export function takeRest(cursor: Cursor): Uint8Array {
  return takeOctets(cursor, cursor.octets.length - cursor.at)
}

function endsEarly(cursor: Cursor): Refusal {
  return new Refusal(cursor.code, `${cursor.what} ends before all that it announces is there.`)
}
