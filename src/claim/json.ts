import { Refusal } from '../refusal.ts'

/** A value of JSON, as `readJson` reads it. */
export type Json = null | boolean | number | string | Json[] | JsonObject

/** Without a prototype: `__proto__` and `constructor` are ordinary keys, present only where the text has them. */
export interface JsonObject {
  [key: string]: Json
}

/**
 * A claim nests three deep, and what signers add to `optional` little more. The bound keeps a text of brackets
 * from exhausting the stack of this reader or of anything that walks its result.
 */
export const maxDepth = 64

/**
 * One JSON value (RFC 8259) in UTF-8 and nothing after it, with everything refused that two readers could take for
 * different documents, since a signer would then vouch for what another reader sees: invalid UTF-8, a byte order
 * mark, a key twice in one object (after unescaping), escapes that are half of a surrogate pair (decoders in Go
 * make them U+FFFD, so that different keys become one), numbers beyond a double. Time is linear in the length.
 */
export function readJson(bytes: Uint8Array): Json {
  const reader: Reader = { text: decodeUtf8(bytes), at: 0 }
  const value = readValue(reader, 0)
  skipSpace(reader)
  if (reader.at < reader.text.length) refuse(reader, 'something follows the JSON value')
  return value
}

interface Reader {
  text: string
  /** Index of the next character. */
  at: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Refusal('claim-json', 'The JSON text is not valid UTF-8.')
  }
}

function refuse(reader: Reader, reason: string): never {
  throw new Refusal('claim-json', `The JSON text is not well formed: ${reason}, at character ${reader.at}.`)
}

function readValue(reader: Reader, depth: number): Json {
  skipSpace(reader)
  switch (reader.text[reader.at]) {
    case '{':
      return readObject(reader, depth + 1)
    case '[':
      return readArray(reader, depth + 1)
    case '"':
      return readString(reader)
    case 't':
      return readWord(reader, 'true', true)
    case 'f':
      return readWord(reader, 'false', false)
    case 'n':
      return readWord(reader, 'null', null)
    default:
      return readNumber(reader)
  }
}

function readObject(reader: Reader, depth: number): JsonObject {
  open(reader, depth)
  const object: JsonObject = Object.create(null)
  if (take(reader, '}')) return object
  do {
    skipSpace(reader)
    if (reader.text[reader.at] !== '"') refuse(reader, 'a key in quotes is expected')
    const key = readString(reader)
    if (key in object) {
      throw new Refusal(
        'claim-duplicate-key',
        `The key ${JSON.stringify(key.slice(0, 100))} stands twice in one JSON object.`,
      )
    }
    if (!take(reader, ':')) refuse(reader, 'a colon is expected')
    object[key] = readValue(reader, depth)
  } while (take(reader, ','))
  if (!take(reader, '}')) refuse(reader, 'a comma or } is expected')
  return object
}

function readArray(reader: Reader, depth: number): Json[] {
  open(reader, depth)
  const array: Json[] = []
  if (take(reader, ']')) return array
  do {
    array.push(readValue(reader, depth))
  } while (take(reader, ','))
  if (!take(reader, ']')) refuse(reader, 'a comma or ] is expected')
  return array
}

function open(reader: Reader, depth: number): void {
  if (depth > maxDepth) refuse(reader, `it nests deeper than ${maxDepth}`)
  reader.at++
}

function readWord<Value>(reader: Reader, word: string, value: Value): Value {
  if (!reader.text.startsWith(word, reader.at)) refuse(reader, 'a value is expected')
  reader.at += word.length
  return value
}

function readNumber(reader: Reader): number {
  const start = reader.at
  takeExactly(reader, '-')
  if (!takeExactly(reader, '0')) takeDigits(reader)
  if (takeExactly(reader, '.')) takeDigits(reader)
  if (takeExactly(reader, 'e') || takeExactly(reader, 'E')) {
    if (!takeExactly(reader, '+')) takeExactly(reader, '-')
    takeDigits(reader)
  }
  const value = Number(reader.text.slice(start, reader.at))
  if (!Number.isFinite(value)) refuse(reader, 'a number is beyond the range of a double')
  return value
}

function takeDigits(reader: Reader): void {
  const start = reader.at
  while (isDigit(reader.text.charCodeAt(reader.at))) reader.at++
  if (reader.at === start)
    refuse(reader, start < reader.text.length ? 'a value is expected' : 'it ends early')
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function readString(reader: Reader): string {
  const { text } = reader
  let value = ''
  let start = ++reader.at
  for (;;) {
    const code = text.charCodeAt(reader.at)
    if (code === 0x22) break
    if (Number.isNaN(code)) refuse(reader, 'a string has no end')
    if (code < 0x20) refuse(reader, 'a control character stands in a string')
    if (code === 0x5c) {
      value += text.slice(start, reader.at) + readEscape(reader)
      start = reader.at
    } else {
      reader.at++
    }
  }
  value += text.slice(start, reader.at++)
  return value
}

const escapes: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** From a backslash; a surrogate pair is read as one. */
function readEscape(reader: Reader): string {
  const letter = reader.text[reader.at + 1] ?? ''
  const plain = escapes[letter]
  if (plain !== undefined) {
    reader.at += 2
    return plain
  }
  const unit = readUnicodeEscape(reader)
  if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit)
  const low = unit < 0xdc00 && reader.text[reader.at] === '\\' ? readUnicodeEscape(reader) : 0
  if (low < 0xdc00 || low > 0xdfff) refuse(reader, 'an escape is half of a surrogate pair')
  return String.fromCharCode(unit, low)
}

function readUnicodeEscape(reader: Reader): number {
  const { text, at } = reader
  const hex = text.slice(at + 2, at + 6)
  if (text[at + 1] !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) refuse(reader, 'an escape is not one of JSON')
  reader.at += 6
  return Number.parseInt(hex, 16)
}

function skipSpace(reader: Reader): void {
  for (;;) {
    const code = reader.text.charCodeAt(reader.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    reader.at++
  }
}

/** Whether `character` is next after white space; it is consumed then. */
function take(reader: Reader, character: string): boolean {
  skipSpace(reader)
  return takeExactly(reader, character)
}

/** As `take`, with no white space before it. */
function takeExactly(reader: Reader, character: string): boolean {
  if (reader.text[reader.at] !== character) return false
  reader.at++
  return true
}
