import type { Stretch } from './key-state.ts'
import type { CheckKey } from './verify.ts'

/** Public keys, of one file or several together. It is read once; what time does to the keys is in their timelines. */
export interface Keyring {
  certificates: Certificate[]
  /** Every primary key and subkey, by key id: ids collide. */
  keys: Map<string, VerificationKey[]>
  /** The same keys, by fingerprint. */
  byFingerprint: Map<string, VerificationKey>
  /** Sentences for a person about what could not be used; they may quote hostile input. */
  warnings: string[]
}

/** A primary key with its user ids and subkeys, of all its copies in the files. */
export interface Certificate {
  /** Of the primary key; upper-case hex. */
  fingerprint: string
  /** The primary one first. Only those that the key has signed and not revoked. */
  userIds: string[]
  /** The primary key first, then its subkeys: those that cannot sign too. */
  keys: VerificationKey[]
}

/** A primary key or subkey. */
export interface VerificationKey extends CheckKey {
  /** Upper-case hex. */
  fingerprint: string
  /** 16 upper-case hex digits. */
  keyId: string
  certificate: Certificate
  /** For `stateAt`. */
  timeline: readonly Stretch[]
}

/**
 * Reads keyring files as one keyring: a key that one of them shows as revoked is revoked. Each is binary, as
 * `gpg --export` writes it, or has any number of armored blocks. What in it cannot be used is left out with a warning.
 * @throws Refusal keyring: where a file, or every key in it, cannot be used, or it holds a secret key
 */
export async function readKeyring(...files: readonly Uint8Array[]): Promise<Keyring> {
  // It takes a tenth of a second to load openpgp.js, which nobody need wait for who reads no keys.
  const { readKeyringFiles } = await import('./read-keyring.ts')
  return readKeyringFiles(files)
}
