import type { Keyring } from '../openpgp/keyring.ts'
import { type Verdict, verifyMessage } from '../openpgp/verdict.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type Signature } from './signature.ts'

/**
 * Whether the keys vouch for a signature, at a time. Only `valid` means that they do: that the owner of `key` signed the
 * claim. Whether the claim is of the image in question is for the caller, or for `evaluatePolicy`.
 * @param signature one that was read, or its octets
 * @param now A `Date`, or Unix milliseconds; by default now
 * @throws Refusal as `readSignature`; format-not-permitted: in the sigstore-json format, which is not verified here
 * @throws RangeError where `now` is no moment
 */
export function verifySignature(
  signature: Pick<Signature, 'message'> | Uint8Array,
  keyring: Keyring,
  now: Date | number = Date.now(),
): Verdict {
  const seconds = Math.floor(unixMilliseconds(now) / 1000)
  const { message } =
    signature instanceof Uint8Array ? readSignature(signature, { sigstoreJson: true }) : signature
  if (!message)
    throw new Refusal('format-not-permitted', 'Signatures in the sigstore-json format are not verified here.')
  return verifyMessage(message, keyring, seconds)
}

/** @throws RangeError where it is no moment: anything that is compared with it would come out false */
export function unixMilliseconds(moment: Date | number): number {
  const milliseconds = Number(moment)
  if (Number.isFinite(milliseconds)) return milliseconds
  throw new RangeError('now is no moment: give a Date, or Unix milliseconds')
}
