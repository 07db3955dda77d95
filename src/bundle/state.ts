import { Refusal } from '../refusal.ts'
import type { Position } from '../storage/storage.ts'
import type { Head } from './head.ts'

/** What is noted here of the bundles of one log. */
export interface BundleState {
  /** All that happened up to there has been imported; null: nothing. */
  to: Position | null
  /** The latest position of any bundle that was imported; one of some images may be ahead. */
  newest: number
  /** Of the last import that was begun. */
  round: number
}

/** The source that contributes what bundles of a log bring. */
export function sourceName({ epoch }: Head, prefix: string | null): string {
  return prefix === null ? `bundle:${epoch}` : `bundle:${epoch}:${prefix}`
}

export function parseState(text: string | null): BundleState {
  return text === null ? { to: null, newest: 0, round: 0 } : (JSON.parse(text) as BundleState)
}

export function formatState({ to, newest, round }: BundleState): string {
  return JSON.stringify({ to, newest, round })
}

/**
 * Nothing may be missing between what was imported and a bundle, and nothing of later bundles be undone by accident.
 * @throws Refusal bundle-gap, bundle-older
 */
export function requireContinuity(
  { scope, from, to }: Head,
  state: BundleState,
  { allowOlder }: { allowOlder: boolean },
): void {
  if (to.seq < state.newest && !allowOlder)
    throw new Refusal(
      'bundle-older',
      `The bundle ends at change ${to.seq}, and one up to change ${state.newest} was imported before: what it lacks would ` +
        'go, and what was withdrawn since would come back. --allow-older imports it all the same',
    )
  if (scope !== 'since') return
  const reached = state.to?.seq ?? 0
  if (from.seq > reached)
    throw new Refusal(
      'bundle-gap',
      `The bundle begins after change ${from.seq}, and ${reached ? `only those up to ${reached} were imported` : 'nothing was imported yet'}: ` +
        `changes ${reached + 1} to ${from.seq} are missing. Import a bundle of export --since ${reached}, or of all`,
    )
  if (state.to && from.seq === reached && from.hash !== state.to.hash)
    throw new Refusal(
      'bundle-gap',
      `The bundle follows another change ${from.seq} than the one that was imported: the log was restored to an earlier ` +
        'state where it is from. Import a bundle of all',
    )
}

/** The state when the import has been done. */
export function stateAfter({ scope, to }: Head, { to: before, newest, round }: BundleState): BundleState {
  return scope === 'images'
    ? { to: before, newest: Math.max(newest, to.seq), round }
    : { to, newest: to.seq, round }
}
