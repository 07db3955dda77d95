import { hash } from 'node:crypto'
import { type Claim, readClaim } from '../claim/claim.ts'
import { hashAlgorithmName, publicKeyAlgorithmName } from '../openpgp/algorithms.ts'
import { dearmor, isArmored } from '../openpgp/armor.ts'
import { readMessage, type SignedMessage } from '../openpgp/message.ts'
import type { SignaturePacket } from '../openpgp/signature-packet.ts'
import { Refusal } from '../refusal.ts'
import { identityOfMessage, identityOfSigstore } from './identity.ts'
import { readSigstoreJson } from './sigstore.ts'

/** As c/image calls them (internal/signature/signature.go, `FormatID`); only the first is verified here. */
export type SignatureFormat = 'simple-signing' | 'sigstore-json'

/** A signature that clients can read. Nothing says yet that it is any good. */
export interface Signature {
  format: SignatureFormat
  /** What is to be stored and served: binary, as clients read it. It may be a view into the upload. */
  blob: Uint8Array
  /** Lower-case hex, of `blob`. */
  sha256: string
  /** Lower-case hex; see `identityOfMessage`. */
  identity: string
  claim: Claim
  /** Octets of the claim as it was signed. */
  claimSize: number
  /** Null in sigstore-json, which does not name the key. */
  signer: UnverifiedSigner | null
  /** What is to be verified; null in sigstore-json, which is not verified here. */
  message: SignedMessage | null
}

/** What a signature says of its origin; anybody can write such a thing. */
export interface UnverifiedSigner {
  /** 16 upper-case hex digits. */
  unverifiedKeyId: string
  /** Upper-case hex. */
  unverifiedFingerprint: string | null
  /** Seconds since 1970. */
  unverifiedCreated: number
  /** Seconds since 1970; null if it does not expire. */
  unverifiedExpires: number | null
  /** For people: `RSA`, `EdDSA` … or `unknown (107)`. */
  publicKeyAlgorithm: string
  /** For people: `SHA256` … or `unknown (42)`. */
  hashAlgorithm: string
}

/**
 * Reads an upload of any form: a binary OpenPGP message, with or without the prefix c/image knows it by; the ASCII
 * armor of one; or, unless `sigstoreJson` is false, a sigstore-json blob. Its size is for the caller to limit.
 * @throws Refusal what is wrong with its form (`empty`, `not-openpgp`, `unsigned`, `trailing-data` …) or with its claim;
 * format-not-permitted: a sigstore-json blob that is not wanted
 */
export function readSignature(
  upload: Uint8Array,
  { sigstoreJson = true }: { sigstoreJson?: boolean } = {},
): Signature {
  if (isArmored(upload)) return readSimpleSigning(dearmor(upload))
  if (upload[0] !== 0) return readSimpleSigning(upload)
  const { format, content } = splitPrefix(upload)
  if (format === 'simple-signing') return readSimpleSigning(content)
  if (!sigstoreJson) {
    throw new Refusal('format-not-permitted', 'Signatures in the sigstore-json format are not taken here.')
  }
  return readSigstore(upload, content)
}

/** A zero octet, the name of the format, a line feed: c/image's internal/signature/signature.go, FromBlob. */
function splitPrefix(upload: Uint8Array): { format: SignatureFormat; content: Uint8Array } {
  for (const format of ['simple-signing', 'sigstore-json'] as const) {
    const prefix = Buffer.from(`\0${format}\n`)
    if (prefix.equals(upload.subarray(0, prefix.length))) {
      return { format, content: upload.subarray(prefix.length) }
    }
  }
  throw new Refusal(
    'not-openpgp',
    'The blob starts as one of a named format, and clients know no format of that name.',
  )
}

/** The prefix is left out of what is stored: clients take it from a lookaside, but not from the registry extension. */
function readSimpleSigning(blob: Uint8Array): Signature {
  const message = readMessage(blob)
  return {
    format: 'simple-signing',
    blob,
    sha256: hash('sha256', blob, 'hex'),
    identity: identityOfMessage(message),
    claim: readClaim(message.payload),
    claimSize: message.payload.length,
    signer: signerOf(message.signature),
    message,
  }
}

function readSigstore(blob: Uint8Array, content: Uint8Array): Signature {
  const { payload, value } = readSigstoreJson(content)
  return {
    format: 'sigstore-json',
    blob,
    sha256: hash('sha256', blob, 'hex'),
    identity: identityOfSigstore(payload, value),
    claim: readClaim(payload, 'sigstore'),
    claimSize: payload.length,
    signer: null,
    message: null,
  }
}

function signerOf(signature: SignaturePacket): UnverifiedSigner {
  return {
    unverifiedKeyId: signature.unverifiedKeyId,
    unverifiedFingerprint: signature.unverifiedFingerprint,
    unverifiedCreated: signature.unverifiedCreated,
    unverifiedExpires: signature.unverifiedExpires,
    publicKeyAlgorithm: publicKeyAlgorithmName(signature.publicKeyAlgorithm),
    hashAlgorithm: hashAlgorithmName(signature.hashAlgorithm),
  }
}
