import type { Json, JsonObject } from '../claim/json.ts'
import { Refusal } from '../refusal.ts'

/** Where a value stands in the policy, for people: `transports.docker["quay.io"][0].keyPath`; empty for the whole. */
export type Place = string

/** No name of a key or scope is quoted at greater length. */
const maxQuoted = 300

export function within(place: Place, key: string | number): Place {
  if (typeof key === 'number') return `${place}[${key}]`
  if (!/^[A-Za-z_]\w*$/.test(key)) return `${place}[${JSON.stringify(key.slice(0, maxQuoted))}]`
  return place === '' ? key.slice(0, maxQuoted) : `${place}.${key.slice(0, maxQuoted)}`
}

/** `problem` goes on where the place ends, and says what to do. */
export function refuse(place: Place, problem: string): never {
  throw new Refusal('policy', `${place || 'The policy'} ${problem}.`)
}

export function readMap(value: Json | undefined, place: Place): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  return refuse(place, `must be an object, in braces, not ${kindOf(value)}`)
}

/** An object of known keys, of which those in `required` are there; case matters. */
export function readObject(
  value: Json | undefined,
  place: Place,
  { required, optional = [] }: { required: string[]; optional?: string[] },
): JsonObject {
  const object = readMap(value, place)
  const known = [...required, ...optional]
  const unknown = Object.keys(object).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    const holder = place === '' ? 'the policy' : place
    return refuse(within(place, unknown), `is not a known key; remove it: ${holder} may have ${list(known)}`)
  }
  const missing = required.find((key) => !(key in object))
  return missing === undefined ? object : refuse(place, `has no ${missing}; add it`)
}

/** As Go reads a string: null and what is missing are the empty text. */
export function readText(object: JsonObject, key: string, place: Place): string {
  return textOf(object[key], within(place, key))
}

/** Undefined where it is missing or null. */
export function readTexts(object: JsonObject, key: string, place: Place): string[] | undefined {
  return readList(object[key], within(place, key), textOf)
}

/** Octets in base64; undefined where they are missing or null. */
export function readBytes(object: JsonObject, key: string, place: Place): Uint8Array | undefined {
  return bytesOf(object[key], within(place, key))
}

export function readBytesList(
  object: JsonObject,
  key: string,
  place: Place,
): (Uint8Array | undefined)[] | undefined {
  return readList(object[key], within(place, key), bytesOf)
}

function readList<Item>(
  value: Json | undefined,
  place: Place,
  readItem: (value: Json, place: Place) => Item,
): Item[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) return refuse(place, `must be a list, in brackets, not ${kindOf(value)}`)
  return value.map((item, index) => readItem(item, within(place, index)))
}

function textOf(value: Json | undefined, place: Place): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : refuse(place, `must be text, in quotes, not ${kindOf(value)}`)
}

/** Go's base64.StdEncoding, without its line breaks: padded, with the unused bits of the last character ignored. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function bytesOf(value: Json | undefined, place: Place): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined
  const text = typeof value === 'string' ? value.replaceAll(/[\r\n]/g, '') : ''
  if (typeof value === 'string' && base64.test(text)) return new Uint8Array(Buffer.from(text, 'base64'))
  return refuse(
    place,
    'must be the octets of a file in base64, with its padding, as `base64 FILE` prints them',
  )
}

/** For people: `keyPath, keyPaths and keyData`. */
export function list(words: string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

export function kindOf(value: Json | undefined): string {
  if (value === undefined || value === null) return String(value ?? null)
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}
