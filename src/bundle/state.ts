import { Refusal } from '../refusal.ts'
import type { Position } from '../storage/storage.ts'
import type { Head } from './head.ts'
import { hasPassed } from './trail.ts'

/** What is noted here of the bundles of one log. */
export interface BundleState {
  /** All that happened up to there has been imported; null: nothing. */
  to: Position | null
  /** The latest position of any bundle that was imported; one of some images may be ahead. */
  newest: number
  /** Of the last import that was begun. */
  round: number
  /** How many signatures there were of it when the last import ended. */
  size: number
  /** The primary key by which the last bundle was verified; null: none ever was. */
  signer: string | null
}

const untouched: BundleState = { to: null, newest: 0, round: 0, size: 0, signer: null }

/** The source that contributes what bundles of a log bring. */
export function sourceName({ epoch }: Head, prefix: string | null): string {
  return prefix === null ? `bundle:${epoch}` : `bundle:${epoch}:${prefix}`
}

export function parseState(text: string | null): BundleState {
  return text === null ? untouched : { ...untouched, ...(JSON.parse(text) as Partial<BundleState>) }
}

export function formatState({ to, newest, round, size, signer }: BundleState): string {
  return JSON.stringify({ to, newest, round, size, signer })
}

/**
 * Nothing may be missing between what was imported and a bundle, it must be of the same history, and nothing of later
 * bundles be undone by accident.
 * @throws Refusal bundle-gap, bundle-older
 */
export function requireContinuity(
  head: Head,
  state: BundleState,
  { allowOlder }: { allowOlder: boolean },
): void {
  const { scope, from, to } = head
  if (to.seq < state.newest && !allowOlder)
    throw new Refusal(
      'bundle-older',
      `The bundle ends at change ${to.seq}, and one up to change ${state.newest} was imported before: what it lacks would ` +
        'go, and what was withdrawn since would come back. --allow-older imports it all the same. If the one before was ' +
        'not genuine, import the latest bundle of all with --allow-older and --require-signature, and no other',
    )
  if (scope !== 'since') return
  const reached = state.to?.seq ?? 0
  if (from.seq > reached)
    throw new Refusal(
      'bundle-gap',
      `The bundle begins after change ${from.seq}, and ${reached ? `only those up to ${reached} were imported` : 'nothing was imported yet'}: ` +
        `changes ${reached + 1} to ${from.seq} are missing. Import a bundle of export --since ${reached}, or of all`,
    )
  // One that ends before it can show nothing, and was asked for.
  if (!state.to || reached > to.seq) return
  const isSame = hasPassed(head, state.to)
  if (isSame === null)
    throw new Refusal(
      'bundle-gap',
      `The bundle begins too long before change ${reached}, up to which all was imported, to show that it is of the same ` +
        `log. Import a bundle of export --since ${reached}, or of all`,
    )
  if (!isSame)
    throw new Refusal(
      'bundle-gap',
      `The bundle follows another change ${reached} than the one that was imported: the log was restored to an earlier ` +
        'state where it is from. Import a bundle of all',
    )
}

/** The state when the import has been done. `signer` null: nobody verified the bundle. */
export function stateAfter(
  { scope, to }: Head,
  before: BundleState,
  { size, signer }: Pick<BundleState, 'size' | 'signer'>,
): BundleState {
  const { round, newest } = before
  const reached =
    scope === 'images' ? { to: before.to, newest: Math.max(newest, to.seq) } : { to, newest: to.seq }
  return { ...reached, round, size, signer: signer ?? before.signer }
}
