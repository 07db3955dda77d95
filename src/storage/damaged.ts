import { hash } from 'node:crypto'

/** What is stored is not what was written: the disk or somebody has altered it. It must not be served as if it were. */
export class DamagedDatabase extends Error {
  override readonly name = 'DamagedDatabase'
}

interface Stored {
  sha256: string
  blob: Uint8Array
}

export const isIntact = ({ sha256, blob }: Stored) => hash('sha256', blob, 'hex') === sha256.toLowerCase()

/**
 * SQLite has no checksums of its pages: of what was altered in a value it knows nothing.
 * @throws DamagedDatabase
 */
export function requireIntact(stored: Stored): void {
  if (!isIntact(stored))
    throw damaged(
      `A stored signature does not have the SHA-256 ${stored.sha256.toLowerCase()} that it came with`,
    )
}

/**
 * Where a page leads to others than it did, rows are missed, or are those of other places. A missed one would hide those
 * behind it, or have the next one take its slot.
 * @throws DamagedDatabase
 */
export function requireWhole(slots: readonly (Stored & { slot: number; isHere: 0 | 1 | null })[]): void {
  for (const [index, { slot, isHere, ...stored }] of slots.entries()) {
    if (slot !== index + 1) throw damaged(`Slot ${index + 1} of a stored image is missing`)
    if (!isHere) throw damaged(`Slot ${slot} of a stored image has a signature of another one`)
    requireIntact(stored)
  }
}

/**
 * A row that others lead to, or that was written just now.
 * @throws DamagedDatabase
 */
export function requireFound<Row>(row: Row | null | undefined, what: string): Row {
  if (row === null || row === undefined) throw damaged(`${what} is stored, and cannot be found`)
  return row
}

function damaged(what: string): DamagedDatabase {
  return new DamagedDatabase(`${what}: the database is damaged; see docs/recovery.md, "A damaged page"`)
}
