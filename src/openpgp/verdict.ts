import { candidates } from './candidates.ts'
import { inClock, type KeyState, type Stretch, stateAt } from './key-state.ts'
import type { Keyring, VerificationKey } from './keyring.ts'
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

/** See `verdictNames`. */
export type VerdictName = (typeof verdictNames)[number]

/** What keys say of a signature, at a time. Only `valid` means that one of them vouches for it. */
export interface Verdict<Key = VerificationKey> {
  verdict: VerdictName
  /** Whose verdict it is; null for `unknown-key`. That it made the signature is not said by `bad` and `unsupported`. */
  key: Key | null
  /** Seconds since 1970, as the signature says: under its hash, so that it is so where the key made it. */
  created: number
  /** Seconds since 1970; null if it does not expire. */
  expires: number | null
  /** Seconds since 1970: when the clock alone makes another verdict of it; null if never. */
  until: number | null
}

export type SignatureTimes = Pick<SignaturePacket, 'unverifiedCreated' | 'unverifiedExpires'>

/** What came of trying one key: it can be stored, for a signature and a fingerprint. */
export interface Check<Key extends Timed = VerificationKey> {
  key: Key
  result: CheckResult
}

/** A key as far as its state goes; see `stateAt`. */
export interface Timed {
  timeline: readonly Stretch[]
}

/** How far the clock of a signer may be ahead, in seconds. gpg takes signatures from any future. */
const maxClockSkew = 300

/** Verifies a message by a keyring at a time in seconds since 1970. `check` may know results from before. */
export function verifyMessage(
  message: SignedMessage,
  keyring: Keyring,
  now: number,
  check: CheckFunction = checkSignature,
): Verdict {
  const checks = candidates(keyring, message.signature).map((key) => ({ key, result: check(message, key) }))
  return verdictOf(message.signature, checks, now)
}

export type CheckFunction = (message: SignedMessage, key: VerificationKey) => CheckResult

/** A check for one message, which tries each key once. `known` has results by fingerprint, and takes in what is found. */
export function rememberingCheck(known = new Map<string, CheckResult>()): CheckFunction {
  return (message, key) => {
    const result = known.get(key.fingerprint) ?? checkSignature(message, key)
    known.set(key.fingerprint, result)
    return result
  }
}

/** The verdict at a time, in seconds since 1970. Of several keys, the one with the best verdict counts. */
export function verdictOf<Key extends Timed>(
  times: SignatureTimes,
  checks: readonly Check<Key>[],
  now: number,
): Verdict<Key> {
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

type Judgement<Key> = Pick<Verdict<Key>, 'verdict' | 'key'>

function isSame<Key>(one: Judgement<Key>, other: Judgement<Key>): boolean {
  return one.verdict === other.verdict && one.key === other.key
}

function bestOf<Key extends Timed>(
  times: SignatureTimes,
  checks: readonly Check<Key>[],
  now: number,
): Judgement<Key> {
  let best: Judgement<Key> = { verdict: 'unknown-key', key: null }
  for (const { key, result } of checks) {
    const verdict = judge(standingAt(times, result, now).standing, stateAt(key.timeline, now))
    if (rank(verdict) > rank(best.verdict)) best = { verdict, key }
  }
  return best
}

function rank(verdict: VerdictName): number {
  return verdictNames.indexOf(verdict)
}

/** What of a verdict lies in signature and time alone. `early`: good, and dated ahead. `over`: good, and expired. */
export const standings = ['bad', 'unsupported', 'weak', 'early', 'good', 'over'] as const

export type Standing = (typeof standings)[number]

/** The standing at a time, and until when it holds (null: for ever), in seconds since 1970. */
export function standingAt(
  { unverifiedCreated, unverifiedExpires }: SignatureTimes,
  result: CheckResult,
  now: number,
): { standing: Standing; until: number | null } {
  if (result !== 'good') return { standing: result, until: null }
  const from = unverifiedCreated - maxClockSkew
  if (from > now) return { standing: 'early', until: from }
  const end = unverifiedExpires === null ? null : inClock(unverifiedExpires)
  return end !== null && end <= now ? { standing: 'over', until: null } : { standing: 'good', until: end }
}

/** The verdict by one key. What cannot change comes first, so that it is told where several things are wrong. */
export function judge(standing: Standing, state: KeyState): VerdictName {
  if (standing === 'bad' || standing === 'unsupported' || standing === 'weak') return standing
  if (state === 'revoked' || state === 'not-signing-key') return state
  if (state === 'not-made-yet' || standing === 'early') return 'bad'
  if (state === 'key-expired') return state
  return standing === 'over' ? 'expired' : 'valid'
}

function changesOf(times: SignatureTimes, checks: readonly Check<Timed>[]): number[] {
  const ofKeys = checks.flatMap(({ key }) => key.timeline.map(({ from }) => from))
  const { unverifiedCreated, unverifiedExpires } = times
  return [
    unverifiedCreated - maxClockSkew,
    unverifiedExpires === null ? [] : inClock(unverifiedExpires),
    ofKeys,
  ].flat()
}
