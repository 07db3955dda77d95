import { verifyDetached } from '../openpgp/detached.ts'
import type { Keyring } from '../openpgp/keyring.ts'
import { Refusal } from '../refusal.ts'
import type { UntrustedBundle } from './read.ts'

/**
 * The bundle is what the owner of one of these keys signed, and nothing was left out, added or altered since.
 * @param now Unix milliseconds
 * @returns the fingerprint of the key
 * @throws Refusal bundle-not-signed
 */
export function requireSigned(
  { headOctets, headSignature }: Pick<UntrustedBundle, 'headOctets' | 'headSignature'>,
  keyring: Keyring,
  now: number,
): string {
  if (!headSignature) throw refuse('it is not signed')
  try {
    const { verdict, key } = verifyDetached(headOctets, headSignature, keyring, Math.floor(now / 1000))
    if (verdict === 'valid' && key) return key.fingerprint
    throw refuse(key ? `its signature is ${verdict} by ${key.fingerprint}` : 'it is signed by another key')
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'bundle-not-signed') throw error
    throw refuse(`its signature cannot be read: ${error.message}`)
  }
}

function refuse(reason: string): Refusal {
  return new Refusal(
    'bundle-not-signed',
    `Nothing was taken in, because a signature by a given key is required: ${reason}`,
  )
}
