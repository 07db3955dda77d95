import { type Digest, isDigest } from '../reference/digest.ts'
import { formatReference, type ImageReference, parseReference } from '../reference/reference.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import { type Json, type JsonObject, readJson } from './json.ts'

/**
 * In octets. Claims have under 1 KiB; but what is read here becomes objects, of which 1 MiB of text makes 100 MiB, for
 * whoever uploads it and for whoever lists it.
 */
export const maxClaimSize = 65_536

/** What a signer vouches for: the manifest of this digest is this image. Nothing here says who signed it. */
export interface Claim {
  digest: Digest
  reference: ImageReference
  /** The reference as the signer wrote it. */
  dockerReference: string
  /** The program that signed, by its own account. */
  creator?: string
  /** Seconds since 1970, by the signer's account; a 64-bit integer as a double, so inexact beyond 2^53. */
  timestamp?: number
  /** `critical` and `optional` as read. */
  document: JsonObject
  /** Sentences for the signer: the claim is well formed, yet clients will not make of it what was meant. */
  warnings: string[]
}

/** Of which format the signature is that holds the claim; they differ in `critical.type`. */
export type ClaimKind = 'simple-signing' | 'sigstore'

/** containers-signature(5); for sigstore, signature/internal/sigstore_payload.go of c/image. */
const types: Record<ClaimKind, string> = {
  'simple-signing': 'atomic container signature',
  sigstore: 'cosign container image signature',
}

/** c/image counts host and path together (docker/reference/reference.go, `NameTotalLengthMax`). */
const maxClientNameLength = 255

/**
 * Reads a claim as strictly as the strictest client: containers-signature(5), c/image's signature/simple.go, and
 * beyond them no duplicate keys at any depth, no null as `creator` or `timestamp`, and a reference that parses.
 * Only `optional` may hold unknown keys; in a sigstore payload it may be null, as cosign writes it.
 * @throws Refusal claim-json, claim-duplicate-key, claim-unknown-key, claim-missing-key, claim-type, claim-digest,
 * claim-reference, claim-optional; too-large
 */
export function readClaim(payload: Uint8Array, kind: ClaimKind = 'simple-signing'): Claim {
  if (payload.length > maxClaimSize)
    throw new Refusal(
      'too-large',
      `The claim has ${payload.length} octets; more than ${maxClaimSize} are not read.`,
    )
  const document = asObject(readJson(payload), 'claim-json', 'The claim')
  requireKeys(document, ['critical', 'optional'], 'the claim')
  const critical = asObject(document.critical, 'claim-json', 'critical')
  requireKeys(critical, ['type', 'image', 'identity'], 'critical')
  const image = asObject(critical.image, 'claim-json', 'critical.image')
  requireKeys(image, ['docker-manifest-digest'], 'critical.image')
  const identity = asObject(critical.identity, 'claim-json', 'critical.identity')
  requireKeys(identity, ['docker-reference'], 'critical.identity')

  requireType(critical.type, types[kind])
  const digest = readDigest(image['docker-manifest-digest'])
  const { dockerReference, reference } = readReference(identity['docker-reference'])
  const optional = readOptional(document.optional, kind)
  return { digest, reference, dockerReference, ...optional, document, warnings: warnings(reference) }
}

/**
 * A claim to be signed, byte for byte in the form c/image gives it; `readClaim` accepts it.
 * @throws Refusal as `readClaim`: where the facts make none
 */
export function createClaim(facts: {
  reference: ImageReference
  digest: Digest
  creator: string
  /** Seconds since 1970. */
  timestamp: number
}): Uint8Array {
  const document = {
    critical: {
      identity: { 'docker-reference': formatReference(facts.reference) },
      image: { 'docker-manifest-digest': facts.digest },
      type: types['simple-signing'],
    },
    optional: { creator: facts.creator, timestamp: facts.timestamp },
  }
  const payload = new TextEncoder().encode(escapeAsGo(JSON.stringify(document)))
  readClaim(payload)
  return payload
}

/** Go's encoding/json escapes these five where JSON.stringify does not. */
function escapeAsGo(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function asObject(value: Json | undefined, code: RefusalCode, name: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new Refusal(code, `${name} is not a JSON object.`)
}

function requireKeys(object: JsonObject, keys: string[], name: string): void {
  const unknown = Object.keys(object).find((key) => !keys.includes(key))
  if (unknown !== undefined) {
    throw new Refusal(
      'claim-unknown-key',
      `The key ${JSON.stringify(unknown.slice(0, 100))} has no place in ${name}.`,
    )
  }
  const missing = keys.find((key) => !(key in object))
  if (missing !== undefined)
    throw new Refusal('claim-missing-key', `The key "${missing}" is missing in ${name}.`)
}

function requireType(value: Json | undefined, type: string): void {
  if (value === type) return
  throw new Refusal('claim-type', `critical.type is not "${type}".`)
}

function readDigest(value: Json | undefined): Digest {
  if (typeof value === 'string' && isDigest(value)) return value
  throw new Refusal(
    'claim-digest',
    'docker-manifest-digest is not sha256:, sha384: or sha512: followed by all of its lower-case hex.',
  )
}

function readReference(value: Json | undefined): { dockerReference: string; reference: ImageReference } {
  if (typeof value !== 'string') throw new Refusal('claim-reference', 'docker-reference is not a string.')
  try {
    return { dockerReference: value, reference: parseReference(value) }
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('claim-reference', `docker-reference names no image: ${cause.message}`, { cause })
  }
}

function readOptional(value: Json | undefined, kind: ClaimKind): { creator?: string; timestamp?: number } {
  if (value === null && kind === 'sigstore') return {}
  const { creator, timestamp } = asObject(value, 'claim-optional', 'optional')
  if (creator !== undefined && typeof creator !== 'string') {
    throw new Refusal('claim-optional', 'optional.creator is not a string.')
  }
  if (timestamp !== undefined && !isInt64(timestamp)) {
    throw new Refusal('claim-optional', 'optional.timestamp is not a whole number of seconds.')
  }
  // Adding 0 makes of -0 the 0 that an integer is.
  return {
    ...(creator !== undefined && { creator }),
    ...(timestamp !== undefined && { timestamp: timestamp + 0 }),
  }
}

/** c/image converts the double to an int64 and back, and refuses what does not return the same. */
function isInt64(value: Json): value is number {
  return Number.isInteger(value) && (value as number) >= -(2 ** 63) && (value as number) < 2 ** 63
}

function warnings({ host, path, tag, digest }: ImageReference): string[] {
  const found: string[] = []
  if (tag === undefined && digest === undefined) {
    found.push(
      'The reference has neither tag nor digest: only policies that match whole repositories accept this signature.',
    )
  }
  if (tag !== undefined && digest !== undefined) {
    found.push(
      'The reference has both tag and digest: clients match this signature by digest or by repository, not by that tag.',
    )
  }
  if (host.startsWith('[') || !(host === 'localhost' || /[.:]/.test(host))) {
    found.push(`podman and skopeo do not take "${host}" for a registry host and will refuse this signature.`)
  }
  if (host.length + 1 + path.length > maxClientNameLength) {
    found.push(
      `Host and path have more than ${maxClientNameLength} characters together: podman and skopeo will refuse this signature.`,
    )
  }
  return found
}
