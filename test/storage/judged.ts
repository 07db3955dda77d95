import type { Stretch } from '../../src/openpgp/key-state.ts'
import type { CheckResult } from '../../src/openpgp/verify.ts'
import type { NewSignature } from '../../src/storage/storage.ts'
import type { KeyringKey } from '../../src/storage/verdicts.ts'
import { newSignature } from './contract.ts'

/** Unix seconds. */
export const start = 1_800_000_000
export const day = 86_400

export const keyId = (letter: string) => letter.repeat(16)
export const fingerprint = (letter: string) => letter.repeat(40)

export function key(letter: string, timeline: Stretch[] = always('good')): KeyringKey {
  return {
    fingerprint: fingerprint(letter),
    keyId: keyId(letter),
    primaryFingerprint: fingerprint(letter),
    userId: `key ${letter}`,
    timeline,
  }
}

export function always(state: Stretch['state']): Stretch[] {
  return [{ from: Number.NEGATIVE_INFINITY, state }]
}

/** A signature of a key, with what came of trying it. */
export function signatureOf(
  letter: string,
  {
    result = 'good' as CheckResult | null,
    created = start - day,
    expires = null as number | null,
    isValid = result === 'good',
    ...overrides
  }: Partial<NewSignature> & {
    result?: CheckResult | null
    created?: number
    expires?: number | null
    isValid?: boolean
  } = {},
): NewSignature {
  return newSignature({
    signer: {
      unverifiedKeyId: keyId(letter),
      unverifiedFingerprint: fingerprint(letter),
      unverifiedCreated: created,
      unverifiedExpires: expires,
    },
    checks: result === null ? [] : [{ fingerprint: fingerprint(letter), result }],
    validBy: isValid ? fingerprint(letter) : null,
    // Another reference each time, where a test does not say that one supersedes the other.
    dockerReference: `registry.example.com/team/app:${Math.random()}`,
    ...overrides,
  })
}
