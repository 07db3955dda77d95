import { inClock, stateAt } from './key-state.ts'
import { candidates, type Keyring, type VerificationKey } from './keyring.ts'
import type { SignedMessage } from './message.ts'
import type { SignaturePacket } from './signature-packet.ts'
import { type CheckResult, checkSignature } from './verify.ts'

/** Whether the keys vouch for a signature, the worst first. */
export const verdictNames = [
  /** None of the keys can have made it. */
  'unknown-key',
  /** The key did not make it, or it is dated ahead. */
  'bad',
  /** It uses, or the key is, what is not verified here. */
  'unsupported',
  /** It is right, but its hash or key is too weak to prove anything. */
  'weak',
  /** The key or its primary key is revoked, for whatever reason and since whenever. */
  'revoked',
  /** The key is not one for signatures of documents, or is not bound to its primary key in both directions. */
  'not-signing-key',
  /** The key has expired, be it after it signed. */
  'key-expired',
  /** The signature has expired. */
  'expired',
  'valid',
] as const

export type VerdictName = (typeof verdictNames)[number]

export interface Verdict {
  verdict: VerdictName
  /** Whose verdict it is; null for `unknown-key`. That it made the signature is not said by `bad` and `unsupported`. */
  key: VerificationKey | null
  /** Seconds since 1970, as the signature says: under its hash, so that it is so where the key made it. */
  created: number
  /** Seconds since 1970; null if it does not expire. */
  expires: number | null
  /** Seconds since 1970: when the clock alone makes another verdict of it; null if never. */
  until: number | null
}

export type SignatureTimes = Pick<SignaturePacket, 'unverifiedCreated' | 'unverifiedExpires'>

/** What came of trying one key: it can be stored, for a signature and a fingerprint. */
export interface Check {
  key: VerificationKey
  result: CheckResult
}

/** How far the clock of a signer may be ahead, in seconds. gpg takes signatures from any future. */
const maxClockSkew = 300

export function verifyMessage(message: SignedMessage, keyring: Keyring, now: number): Verdict {
  const checks = candidates(keyring, message.signature).map((key) => {
    return { key, result: checkSignature(message, key) }
  })
  return verdictOf(message.signature, checks, now)
}

/** The verdict at a time, in seconds since 1970. Of several keys, the one with the best verdict counts. */
export function verdictOf(times: SignatureTimes, checks: readonly Check[], now: number): Verdict {
  const best = bestOf(times, checks, now)
  const until = changesOf(times, checks)
    .filter((time) => time > now)
    .sort((one, other) => one - other)
    .find((time) => !isSame(bestOf(times, checks, time), best))
  return {
    ...best,
    created: times.unverifiedCreated,
    expires: times.unverifiedExpires,
    until: until ?? null,
  }
}

type Judgement = Pick<Verdict, 'verdict' | 'key'>

function isSame(one: Judgement, other: Judgement): boolean {
  return one.verdict === other.verdict && one.key === other.key
}

function bestOf(times: SignatureTimes, checks: readonly Check[], now: number): Judgement {
  let best: Judgement = { verdict: 'unknown-key', key: null }
  for (const check of checks) {
    const verdict = judge(times, check, now)
    if (rank(verdict) > rank(best.verdict)) best = { verdict, key: check.key }
  }
  return best
}

function rank(verdict: VerdictName): number {
  return verdictNames.indexOf(verdict)
}

/** What cannot change comes first, so that it is told where several things are wrong. */
function judge(times: SignatureTimes, { key, result }: Check, now: number): VerdictName {
  if (result !== 'good') return result
  const state = stateAt(key.timeline, now)
  if (state === 'revoked' || state === 'not-signing-key') return state
  if (state === 'not-made-yet' || times.unverifiedCreated > now + maxClockSkew) return 'bad'
  if (state === 'key-expired') return state
  const { unverifiedExpires: expires } = times
  return expires !== null && inClock(expires) <= now ? 'expired' : 'valid'
}

function changesOf(times: SignatureTimes, checks: readonly Check[]): number[] {
  const ofKeys = checks.flatMap(({ key }) => key.timeline.map(({ from }) => from))
  const { unverifiedCreated, unverifiedExpires } = times
  return [
    unverifiedCreated - maxClockSkew,
    unverifiedExpires === null ? [] : inClock(unverifiedExpires),
    ofKeys,
  ].flat()
}
