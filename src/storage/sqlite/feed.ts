import { isIntact, requireIntact } from '../damaged.ts'
import type { ChangeWithBlob } from '../feed.ts'
import type { Connection } from './connection.ts'
import { type ChangeRow, changeColumns, changeJoins } from './rows.ts'

/** See `Feed`. */
export function prepareFeed(db: Connection) {
  const changes = db.prepare(
    `SELECT ${changeColumns},
       CASE WHEN c.kind IN ('added', 'reinstated') AND EXISTS (SELECT 1 FROM slots sl WHERE sl.signature = s.id)
         THEN s.blob END AS blob
     FROM changes c ${changeJoins} WHERE c.seq > ? ORDER BY c.seq LIMIT ?`,
  )

  return {
    changesWithBlobs(seq: number, limit: number, maxBytes: number): ChangeWithBlob[] {
      const page: ChangeWithBlob[] = []
      let bytes = 0
      for (const row of changes.iterate(seq, limit) as Iterable<ChangeRow & { blob: Buffer | null }>) {
        bytes += row.blob?.length ?? 0
        if (page.length && (bytes > maxBytes || isDamaged(row))) break
        if (row.blob) requireIntact({ ...row, blob: row.blob })
        page.push(row as ChangeWithBlob)
      }
      return page
    },
  }
}

/** A page ends before it, so that followers come as far as they can. */
function isDamaged({ sha256, blob }: ChangeRow & { blob: Buffer | null }): boolean {
  return blob !== null && !isIntact({ sha256, blob })
}
