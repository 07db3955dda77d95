import { type Json, type JsonObject, readJson } from '../claim/json.ts'
import { decodeBase64 } from '../openpgp/base64.ts'
import type { Digest } from '../reference/digest.ts'
import { Refusal } from '../refusal.ts'
import type { Slot } from '../storage/storage.ts'

/**
 * A signature as the registry extension has it (docs.openshift.com, "Reading/writing signatures with the registry API";
 * c/image, docker/docker_client.go, `extensionSignature`).
 */
export interface ExtensionSignature {
  schemaVersion: 2
  /** `<digest>@<32 hex digits>`. */
  name: string
  type: 'atomic'
  /** Base64 of the OpenPGP message. */
  content: string
}

/** c/image reads no more of a list (internal/iolimits, `MaxSignatureListBodySize`). */
export const maxListBytes = 4 * 1024 * 1024

/** What of an object is not the signature. */
const maxEnvelopeBytes = 4096

/** The longest object for a blob of so many bytes. */
export function maxObjectBytes(blobBytes: number): number {
  return 4 * Math.ceil(blobBytes / 3) + maxEnvelopeBytes
}

/** The name of a stored signature: whatever its signer called it, it keeps this one. */
export function extensionName(digest: Digest, sha256: string): string {
  return `${digest}@${sha256.slice(0, 32)}`
}

/** All signatures of a digest that are OpenPGP messages: clients fail at others. */
export function extensionList(digest: Digest, slots: readonly Slot[]): { signatures: ExtensionSignature[] } {
  const signatures: ExtensionSignature[] = []
  for (const { sha256, blob, leaves } of slots) {
    // Who reads a list in one go needs nothing twice.
    if (leaves !== null || !isOpenPgp(blob)) continue
    const content = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('base64')
    signatures.push({ schemaVersion: 2, name: extensionName(digest, sha256), type: 'atomic', content })
  }
  return { signatures }
}

/** A blob in another form names it behind a zero octet. */
function isOpenPgp(blob: Uint8Array): boolean {
  return blob[0] !== 0
}

/**
 * Reads what is put: one object of the form above. `version`, which one document has for `schemaVersion`, is no part of
 * it; other members are left out, as a server of OpenShift does.
 * @throws Refusal extension-signature
 */
export function readExtensionSignature(body: Uint8Array, digest: Digest): { name: string; blob: Uint8Array } {
  const { schemaVersion, name, type, content } = readObject(body)
  if (schemaVersion !== 2) refuse('its schemaVersion is not 2')
  if (type !== 'atomic') refuse('its type is not "atomic"')
  if (typeof name !== 'string' || !isNameOf(digest, name))
    return refuse(`its name is not ${digest}@ and 32 characters`)
  const blob = typeof content === 'string' ? decode(content) : null
  return blob ? { name, blob } : refuse('its content is not base64')
}

/** c/image makes 32 hex digits behind the digest; other clients have taken other characters. */
function isNameOf(digest: Digest, name: string): boolean {
  return name.startsWith(`${digest}@`) && /^[A-Za-z0-9_.-]{32}$/.test(name.slice(digest.length + 1))
}

/** As encoding/json of Go reads octets: line ends between them count for nothing. */
function decode(text: string): Uint8Array | null {
  return decodeBase64(text.replaceAll(/[\r\n]/g, ''))
}

function readObject(body: Uint8Array): JsonObject {
  let value: Json
  try {
    value = readJson(body)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    return refuse(cause.message, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('it is no object')
  return value
}

function refuse(reason: string, cause?: unknown): never {
  throw new Refusal('extension-signature', `This is no signature of the registry extension: ${reason}`, {
    cause,
  })
}
