import { verifyDetached } from '../openpgp/detached.ts'
import type { Keyring } from '../openpgp/keyring.ts'
import { Refusal } from '../refusal.ts'
import type { UntrustedBundle } from './read.ts'

/** Whose signature a bundle has, by a keyring that was given for it. */
export interface Signer {
  /** Of the key or subkey; upper-case hex, as the others. */
  fingerprint: string
  primary: string
  /** Every primary key of the keyring. */
  accepted: ReadonlySet<string>
}

/**
 * The bundle is what the owner of one of these keys signed, and nothing was left out, added or altered since.
 * @param now Unix milliseconds
 * @throws Refusal bundle-not-signed
 */
export function requireSigned(
  { headOctets, headSignature }: Pick<UntrustedBundle, 'headOctets' | 'headSignature'>,
  keyring: Keyring,
  now: number,
): Signer {
  if (!headSignature) throw refuse('it is not signed')
  try {
    const { verdict, key } = verifyDetached(headOctets, headSignature, keyring, Math.floor(now / 1000))
    if (verdict === 'valid' && key)
      return {
        fingerprint: key.fingerprint,
        primary: key.certificate.fingerprint,
        accepted: new Set(keyring.certificates.map(({ fingerprint }) => fingerprint)),
      }
    throw refuse(key ? `its signature is ${verdict} by ${key.fingerprint}` : 'it is signed by another key')
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'bundle-not-signed') throw error
    throw refuse(`its signature cannot be read: ${error.message}`)
  }
}

/**
 * Anybody can give a bundle the epoch of somebody else's log. Who has signed those of a log goes on to, and hands over to
 * a key that is in one keyring with his own.
 * @param noted the primary key by which earlier ones were verified; null: none was
 * @param signer null: nobody asked for a signature
 * @throws Refusal bundle-not-signed
 */
export function requireSameSigner(
  noted: string | null,
  signer: Signer | null,
  { newSigner }: { newSigner: boolean },
): void {
  if (newSigner && !signer)
    throw new Refusal('bundle-not-signed', 'Only a bundle that is verified can have a new signer')
  if (noted === null || newSigner) return
  if (!signer)
    throw refuse(
      `bundles of this log were signed by ${noted}, so name a keyring that has this key with --require-signature`,
    )
  if (!signer.accepted.has(noted))
    throw refuse(
      `it is signed by ${signer.primary}, and bundles of this log were signed by ${noted}, which the keyring lacks. Where ` +
        'that key was given up for this one, a keyring that has both says so, or --new-signer',
    )
}

function refuse(reason: string): Refusal {
  return new Refusal(
    'bundle-not-signed',
    `Nothing was taken in, because a signature by a given key is required: ${reason}`,
  )
}
