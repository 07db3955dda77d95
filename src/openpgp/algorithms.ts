/** Public-key algorithms that sign, as registered with IANA (RFC 9580, section 9.1). */
export const publicKeyAlgorithm = {
  rsa: 1,
  rsaEncryptOnly: 2,
  rsaSignOnly: 3,
  dsa: 17,
  ecdsa: 19,
  /** Curve in the key; GnuPG writes this one for Ed25519 keys. */
  eddsaLegacy: 22,
  ed25519: 27,
  ed448: 28,
} as const

const publicKeyAlgorithmNames: Record<number, string> = {
  1: 'RSA',
  2: 'RSA',
  3: 'RSA',
  17: 'DSA',
  19: 'ECDSA',
  22: 'EdDSA',
  27: 'Ed25519',
  28: 'Ed448',
  // Registered for draft-ietf-openpgp-pqc.
  30: 'ML-DSA-65+Ed25519',
  31: 'ML-DSA-87+Ed448',
  32: 'SLH-DSA-SHAKE-128s',
  33: 'SLH-DSA-SHAKE-128f',
  34: 'SLH-DSA-SHAKE-256s',
}

/** Text names of RFC 9580, section 9.5. */
const hashAlgorithmNames: Record<number, string> = {
  1: 'MD5',
  2: 'SHA1',
  3: 'RIPEMD160',
  8: 'SHA256',
  9: 'SHA384',
  10: 'SHA512',
  11: 'SHA224',
  12: 'SHA3-256',
  14: 'SHA3-512',
}

/** Octets of salt that a version 6 signature has with each hash (RFC 9580, table 23). */
export const saltSizes: Record<number, number> = { 8: 16, 9: 24, 10: 32, 11: 16, 12: 16, 14: 32 }

/** For people; of an algorithm not known here, `unknown (<number>)`. */
export function publicKeyAlgorithmName(id: number): string {
  return publicKeyAlgorithmNames[id] ?? `unknown (${id})`
}

/** For people; of an algorithm not known here, `unknown (<number>)`. */
export function hashAlgorithmName(id: number): string {
  return hashAlgorithmNames[id] ?? `unknown (${id})`
}
