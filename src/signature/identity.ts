import { hash } from 'node:crypto'
import { publicKeyAlgorithm } from '../openpgp/algorithms.ts'
import type { SignedMessage } from '../openpgp/message.ts'
import type { SignaturePacket } from '../openpgp/signature-packet.ts'
import { ecdsaR } from './der.ts'

/** Kept apart from any other hash; a change of what goes in changes the number, and with it every identity. */
const domain = 'lookaside identity 1'

/**
 * Lower-case hex SHA-256 that stays the same however the bytes of a published signature are varied without its key:
 * literal header, compression, packet framing, armor, one-pass packet, unhashed subpackets, spelling of integers. It
 * covers the payload (of a text signature in the line endings that are signed: `readMessage` takes no others), what
 * the signature hashes beside it, the issuer and the value.
 *
 * The value of a copy need not be any good: whoever knows a DSA or ECDSA signature can spoil its s and keep its
 * identity. So being the same as a signature that was verified does not make a copy verified.
 */
export function identityOfMessage({ payload, signature }: SignedMessage): string {
  return digest([
    'openpgp',
    payload,
    ...hashedPart(signature),
    // Eight octets even where a fingerprint is given: outside the hash, anybody can add or remove one.
    signature.unverifiedKeyId,
    ...boundValue(signature),
  ])
}

/** As `identityOfMessage`, of a sigstore-json blob: it names no issuer, and its annotations are outside the signature. */
export function identityOfSigstore(payload: Uint8Array, signature: Uint8Array): string {
  const r = ecdsaR(signature)
  return digest(['sigstore-json', payload, ...(r === null ? ['', signature] : ['ecdsa', r])])
}

function hashedPart(signature: SignaturePacket): (string | Uint8Array)[] {
  const { version, hashed, salt, hashAlgorithm } = signature
  if (version === 3) return [Uint8Array.of(version, boundAlgorithm(signature), hashAlgorithm), hashed]
  return [hashed, salt ?? '']
}

const { rsa, rsaEncryptOnly, rsaSignOnly, dsa, ecdsa, eddsaLegacy } = publicKeyAlgorithm

/** The algorithms whose values have one form, each under one number. */
const ofOneForm: Record<number, number> = {
  [rsaEncryptOnly]: rsa,
  [rsaSignOnly]: rsa,
  [ecdsa]: dsa,
  [eddsaLegacy]: dsa,
}

/** Version 3 does not hash the algorithm, and gpg goes by that of the key: it accepts any number of the same form. */
function boundAlgorithm({ version, publicKeyAlgorithm: algorithm }: SignaturePacket): number {
  return version === 3 ? (ofOneForm[algorithm] ?? algorithm) : algorithm
}

/**
 * Of DSA and ECDSA only r: for a given key and message it fixes s up to its sign, and s and n - s are equally good. Which
 * of them is meant could be settled only with n, the order of the group, and that is in the key, which is not known here.
 */
function boundValue(signature: SignaturePacket): readonly Uint8Array[] {
  const algorithm = boundAlgorithm(signature)
  return algorithm === dsa || algorithm === ecdsa ? signature.value.slice(0, 1) : signature.value
}

/** Each part behind its length, so that no two lists of parts make the same octets. */
function digest(parts: readonly (string | Uint8Array)[]): string {
  const octets = [domain, ...parts].map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
  const joined = Buffer.allocUnsafe(octets.reduce((sum, part) => sum + 4 + part.length, 0))
  let at = 0
  for (const part of octets) {
    at = joined.writeUInt32BE(part.length, at)
    joined.set(part, at)
    at += part.length
  }
  return hash('sha256', joined, 'hex')
}
