import type { Position } from '../storage/storage.ts'
import type { Head } from './head.ts'

/** Hexadecimal digits, enough to tell two histories of a log apart. Against forgery there are signatures. */
const markLength = 8

/** Of more changes the last have marks, and the head stays below a megabyte. */
const maxMarks = 100_000

type Stretch = Pick<Head, 'scope' | 'from' | 'to'>

/** How many changes, up to `to`, have marks. Only a bundle of `since` goes on from anywhere. */
function markCount({ scope, from, to }: Stretch): number {
  return scope === 'since' ? Math.min(to.seq - from.seq, maxMarks) : 0
}

/**
 * The beginnings of the hashes of changes, one after another up to `to`: whoever has come to one of these, by whatever
 * bundles, sees whether the bundle is of the same history.
 */
export function newTrail(stretch: Stretch) {
  const count = markCount(stretch)
  const first = stretch.to.seq - count + 1
  const marks = Buffer.alloc(count * markLength)
  return {
    /** Changes before the first that has a mark are passed over. */
    add({ seq, hash }: Position): void {
      if (seq >= first && seq <= stretch.to.seq)
        marks.write(hash.slice(0, markLength), (seq - first) * markLength, 'latin1')
    },
    toString: () => marks.toString('latin1'),
  }
}

export function isTrail(trail: unknown, stretch: Stretch): boolean {
  return (
    typeof trail === 'string' && trail.length === markCount(stretch) * markLength && /^[0-9a-f]*$/.test(trail)
  )
}

/** Whether a bundle is of the history that had this change; null: it does not go back that far, or not up to it. */
export function hasPassed(head: Head, { seq, hash }: Position): boolean | null {
  const { from, to, trail } = head
  if (seq === from.seq) return hash === from.hash
  if (seq === to.seq) return hash === to.hash
  const at = seq - 1 - (to.seq - markCount(head))
  if (seq > to.seq || at < 0) return null
  return hash.startsWith(trail.slice(at * markLength, (at + 1) * markLength))
}
