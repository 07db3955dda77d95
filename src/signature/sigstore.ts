import { type JsonObject, readJson } from '../claim/json.ts'
import { decodeBase64 } from '../openpgp/base64.ts'
import { Refusal } from '../refusal.ts'

export interface SigstoreSignature {
  /** The claim, octet for octet. */
  payload: Uint8Array
  /** What the key made, in the encoding of its algorithm. */
  value: Uint8Array
}

/** The only type that c/image verifies (signature/policy_eval_sigstore.go; SigstoreSignatureMIMEType). */
const claimMimeType = 'application/vnd.dev.cosign.simplesigning.v1+json'

/** SigstoreSignatureAnnotationKey in c/image's internal/signature/sigstore.go. */
const signatureAnnotation = 'dev.cosignproject.cosign/signature'

/**
 * What follows the prefix of a sigstore-json blob: sigstoreJSONRepresentation in c/image's
 * internal/signature/sigstore.go, without the liberties that Go's decoder takes (other keys, keys in other case).
 */
export function readSigstoreJson(bytes: Uint8Array): SigstoreSignature {
  const document = readObject(bytes)
  if (Object.keys(document).sort().join() !== 'annotations,mimeType,payload') {
    throw malformed('its keys are not exactly mimeType, payload and annotations')
  }
  if (document.mimeType !== claimMimeType) throw malformed(`its mimeType is not ${claimMimeType}`)
  const value = requireAnnotations(document.annotations)[signatureAnnotation]
  return { payload: readBase64(document.payload, 'payload'), value: readBase64(value, signatureAnnotation) }
}

function readObject(bytes: Uint8Array): JsonObject {
  try {
    const json = readJson(bytes)
    if (isObject(json)) return json
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('sigstore-json', `The sigstore-json blob is malformed: ${cause.message}`, { cause })
  }
  throw malformed('it is not a JSON object')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function requireAnnotations(value: unknown): JsonObject {
  if (isObject(value) && Object.values(value).every((annotation) => typeof annotation === 'string'))
    return value
  throw malformed('its annotations are not an object of strings')
}

function readBase64(value: unknown, name: string): Uint8Array {
  const octets = typeof value === 'string' ? decodeBase64(value) : null
  if (octets === null || octets.length === 0) throw malformed(`its ${name} is not base64`)
  return octets
}

function malformed(reason: string): Refusal {
  return new Refusal('sigstore-json', `The sigstore-json blob is malformed: ${reason}.`)
}
