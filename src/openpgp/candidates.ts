import type { Keyring, VerificationKey } from './keyring.ts'
import type { SignaturePacket } from './signature-packet.ts'

/** What a signature says of the key that made it. */
export type Issuer = Pick<SignaturePacket, 'unverifiedKeyId' | 'unverifiedFingerprint'>

/**
 * The keys that may have made a signature: anybody can write what a signature says of its issuer, and key ids collide,
 * so each of them is to be tried. A fingerprint that no key has hides the keys of its key id, as it does for gpg.
 */
export function candidates(keyring: Pick<Keyring, 'keys'>, signature: Issuer): VerificationKey[] {
  const { unverifiedKeyId, unverifiedFingerprint } = signature
  const keys = keyring.keys.get(unverifiedKeyId) ?? []
  if (unverifiedFingerprint === null) return keys
  return keys.filter(({ fingerprint }) => fingerprint === unverifiedFingerprint)
}
