import { publicKeyAlgorithm } from './algorithms.ts'
import type { SelfSignature } from './self-signature.ts'

/** `not-made-yet`: its date of creation lies ahead. */
export type KeyState = 'good' | 'revoked' | 'not-signing-key' | 'not-made-yet' | 'key-expired'

/** What there is to know of the primary key; the rules are those of gpg 2.2 (g10/getkey.c, merge_selfsigs_main). */
export interface PrimaryFacts {
  algorithm: number
  /** Seconds since 1970, as all times here. */
  created: number
  isRevoked: boolean
  direct: SelfSignature[]
  userIds: Map<unknown, UserIdFacts>
}

export interface UserIdFacts {
  /** Certifications and revocations. */
  signatures: SelfSignature[]
}

export interface BindingSignature extends SelfSignature {
  /** That the subkey, too, signed that it belongs to the primary key. Else anybody could take over a signing subkey. */
  isSignedBack: boolean
}

/** See merge_selfsigs_subkey there. */
export interface SubkeyFacts {
  algorithm: number
  created: number
  isRevoked: boolean
  bindings: BindingSignature[]
}

/** From when on a key is in that state, until the next one. */
export interface Stretch {
  from: number
  state: KeyState
}

/** In what state the key is at any time: worked out once, so that asking costs nothing. */
export function timelineOf(primary: PrimaryFacts, subkey?: SubkeyFacts): Stretch[] {
  const times = [Number.NEGATIVE_INFINITY, ...changesOf(primary, subkey)].sort((one, other) => one - other)
  const stretches: Stretch[] = []
  for (const from of times) {
    const state = subkey === undefined ? primaryState(primary, from) : subkeyState(primary, subkey, from)
    if (stretches.at(-1)?.state !== state) stretches.push({ from, state })
  }
  return stretches
}

export function stateAt(timeline: readonly Stretch[], now: number): KeyState {
  return timeline.findLast(({ from }) => from <= now)?.state ?? 'not-made-yet'
}

/** From the worst to the best, as verdicts rank them. */
const ranks: readonly KeyState[] = ['not-made-yet', 'revoked', 'not-signing-key', 'key-expired', 'good']

/** At each time the better of two states: of one key that stands in two certificates. */
export function bestOf(one: readonly Stretch[], other: readonly Stretch[]): Stretch[] {
  const times = [...one, ...other].map(({ from }) => from).sort((a, b) => a - b)
  const stretches: Stretch[] = []
  for (const from of times) {
    const states = [stateAt(one, from), stateAt(other, from)]
    const state = states.reduce((best, next) => (ranks.indexOf(next) > ranks.indexOf(best) ? next : best))
    if (stretches.at(-1)?.state !== state) stretches.push({ from, state })
  }
  return stretches
}

/** All times at which the state may change. */
function changesOf(primary: PrimaryFacts, subkey?: SubkeyFacts): number[] {
  const ofUserIds = [...primary.userIds.values()].flatMap(({ signatures }) => signatures)
  const ofPrimary = [...primary.direct, ...ofUserIds]
  const times = [primary.created, ...ofPrimary.flatMap((signature) => endsOf(signature, primary.created))]
  if (subkey === undefined) return times
  const { bindings, created } = subkey
  return [...times, created, ...bindings.flatMap((binding) => endsOf(binding, created))]
}

function endsOf({ expires, keyLifetime }: SelfSignature, created: number): number[] {
  return [expires && inClock(expires), keyLifetime && inClock(created + keyLifetime)].filter(
    (time) => time !== null,
  )
}

function primaryState(primary: PrimaryFacts, now: number): KeyState {
  const { isSelfSigned, keyFlags, expires } = judgePrimary(primary, now)
  if (primary.isRevoked) return 'revoked'
  if (!isSelfSigned || !maySign(primary.algorithm, keyFlags)) return 'not-signing-key'
  return ageOf(primary.created, expires, now)
}

/** A subkey shares the fate of its primary key. */
function subkeyState(primary: PrimaryFacts, subkey: SubkeyFacts, now: number): KeyState {
  const { isSelfSigned, expires } = judgePrimary(primary, now)
  if (primary.isRevoked || subkey.isRevoked) return 'revoked'
  // Of several bindings gpg keeps the latest alone when it imports them (g10/import.c, chk_self_sigs).
  const last = latest(subkey.bindings, Number.NEGATIVE_INFINITY)
  const binding = last && !isOver(last, now) ? last : undefined
  if (!isSelfSigned || !binding?.isSignedBack || !maySign(subkey.algorithm, binding.keyFlags)) {
    return 'not-signing-key'
  }
  const state = ageOf(primary.created, expires, now)
  return state === 'good' ? ageOf(subkey.created, endOf(subkey.created, binding), now) : state
}

function ageOf(created: number, expires: number | null, now: number): KeyState {
  if (now < created) return 'not-made-yet'
  return expires !== null && expires <= now ? 'key-expired' : 'good'
}

interface Judgement {
  isSelfSigned: boolean
  keyFlags: number | null
  expires: number | null
}

/**
 * A direct-key signature counts before those of user ids; of these the latest one that sets something. That a user id
 * is revoked says nothing of the key, but what its signatures set goes with it.
 */
function judgePrimary({ created, direct, userIds }: PrimaryFacts, now: number): Judgement {
  const own = latest(direct, now)
  const ofUserIds = [...userIds.values()].flatMap(({ signatures }) => latest(signatures, now) ?? [])
  const setting = ofUserIds
    .filter(({ revokes }) => !revokes)
    .sort((one, other) => other.created - one.created)
  const flags = [own, ...setting].find((signature) => signature && signature.keyFlags !== null)
  const end = [own, ...setting].find((signature) => signature && signature.keyLifetime !== null)
  return {
    isSelfSigned: own !== undefined || ofUserIds.length > 0,
    keyFlags: flags?.keyFlags ?? null,
    expires: end ? endOf(created, end) : null,
  }
}

function endOf(created: number, { keyLifetime }: SelfSignature): number | null {
  return keyLifetime === null ? null : inClock(created + keyLifetime)
}

/** gpg 2.2 counts times in 32 bits, so that what is to end after 2106 has long ended. */
export function inClock(time: number): number {
  return time % 0x1_0000_0000
}

/** gpg counts a signature that is dated ahead, and one that has expired as never made. */
export function latest<Signature extends SelfSignature>(
  signatures: Signature[],
  now: number,
): Signature | undefined {
  let found: Signature | undefined
  for (const signature of signatures) {
    if (isOver(signature, now)) continue
    if (found === undefined || signature.created >= found.created) found = signature
  }
  return found
}

function isOver({ expires }: SelfSignature, now: number): boolean {
  return expires !== null && inClock(expires) <= now
}

const signData = 0x02

const { rsa, rsaSignOnly, dsa, ecdsa, eddsaLegacy, ed25519, ed448 } = publicKeyAlgorithm
const signingAlgorithms: readonly number[] = [rsa, rsaSignOnly, dsa, ecdsa, eddsaLegacy, ed25519, ed448]

/** Without key flags a key may do what its algorithm can. */
function maySign(algorithm: number, keyFlags: number | null): boolean {
  return signingAlgorithms.includes(algorithm) && (keyFlags === null || (keyFlags & signData) !== 0)
}
