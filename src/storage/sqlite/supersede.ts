import { maxBytesPerLocation, type NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
import type { Moment, Slots } from './slots.ts'
import type { VerdictStatements } from './verdicts.ts'

interface SlotOf {
  location: number
  isHome: number
  own: number
  bytes: number
}

/** Which signature takes the place of which, and the handing over of slots. */
export function prepareSuperseding(db: Connection, slots: Slots, verdicts: VerdictStatements) {
  const sameIdentity = db.prepare(
    `SELECT s.id, s.superseded_by AS supersededBy,
       EXISTS (SELECT 1 FROM slots sl WHERE sl.location = s.location AND sl.signature = s.id) AS isServed
     FROM signatures s WHERE s.location = ? AND s.identity = ? ORDER BY isServed DESC, s.id DESC LIMIT 1`,
  )
  const sameBytes = db
    .prepare('SELECT max(id) FROM signatures WHERE location = ? AND identity = ? AND sha256 = ?')
    .pluck()
  const successor = db.prepare('SELECT superseded_by FROM signatures WHERE id = ?').pluck()
  const madeBy = db
    .prepare("SELECT 1 FROM checks WHERE signature = ? AND key = ? AND standing IN ('early', 'good', 'over')")
    .pluck()
  // By the same key, with the same critical part: of type and digest there is but one at a location.
  const alike = `SELECT s.id FROM slots sl JOIN signatures s ON s.id = sl.signature
    JOIN checks c ON c.signature = s.id AND c.key = @key
    WHERE sl.location = @location AND sl.leaves IS NULL AND s.format = 'simple-signing' AND s.docker_reference = @dockerReference`
  const earlier = db
    .prepare(
      `${alike} AND c.standing IN ('good', 'over') AND s.unverified_created <= @created
         AND (@expires IS NULL OR s.unverified_expires <= @expires) ORDER BY sl.slot LIMIT 1`,
    )
    .pluck()
  const later = db
    .prepare(
      `${alike} AND c.standing = 'good' AND s.unverified_created > @created
         AND (s.unverified_expires IS NULL OR s.unverified_expires >= @expires) ORDER BY sl.slot LIMIT 1`,
    )
    .pluck()
  const lastChange = db.prepare('SELECT max(modified) FROM slots WHERE signature = ?').pluck()
  const hashesOf = db.prepare(
    'SELECT lower(hex(identity)) AS identity, lower(hex(sha256)) AS sha256 FROM signatures WHERE id = ?',
  )
  const size = db.prepare('SELECT length(blob) FROM signatures WHERE id = ?').pluck()
  const mark = db.prepare('UPDATE signatures SET superseded_by = ? WHERE id = ?')
  const slotsOf = db.prepare(
    `SELECT sl.location, sl.location = s.location AS isHome, length(s.blob) AS own,
       (SELECT sum(length(o.blob)) FROM slots os JOIN signatures o ON o.id = os.signature
        WHERE os.location = sl.location) AS bytes
     FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.signature = ? AND sl.leaves IS NULL`,
  )
  const unmark = db.prepare('UPDATE signatures SET superseded_by = NULL, gone = 0 WHERE id = ?')
  const superseded = db
    .prepare(
      `SELECT s.id FROM signatures s WHERE s.superseded_by = ? AND s.identity <> ?
         AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.place = s.place AND w.identity = s.identity)
       ORDER BY s.unverified_created, s.id`,
    )
    .pluck()

  const bounds = (location: number, { signer, validBy, dockerReference }: NewSignature) => {
    const key = validBy === null ? null : verdicts.rowOf(validBy)
    if (key === null || !signer) return null
    const { unverifiedCreated: created, unverifiedExpires: expires } = signer
    return { location, dockerReference, key, created, expires }
  }

  /** Unless some key has made the new copy and not the one that is there. */
  const isAsGood = (id: number, { checks }: NewSignature): boolean =>
    checks.every(({ fingerprint, result }) => {
      const key = verdicts.rowOf(fingerprint)
      return result !== 'good' || key === null || madeBy.get(id, key) !== undefined
    })

  return {
    isAsGood,

    /**
     * A stored signature of that identity, and what is served of, or instead of, it; null: nothing. That is as good as
     * the new copy unless a key has made the new one and not it. `sameBytes`: the latest with just these bytes.
     */
    sameIdentity(location: number, signature: NewSignature): SameIdentity | null {
      const identity = Buffer.from(signature.identity, 'hex')
      const row = sameIdentity.get(location, identity) as
        | { id: number; supersededBy: number | null; isServed: number }
        | undefined
      if (!row) return null
      if (row.isServed)
        return { id: row.id, servedAs: row.id, isAsGood: isAsGood(row.id, signature), sameBytes: null }
      let { id, supersededBy: next } = row
      for (; next !== null; next = successor.get(id) as number | null) id = next
      if (lastChange.get(id) !== null) return { id: row.id, servedAs: id, isAsGood: true, sameBytes: null }
      const same = sameBytes.get(location, identity, Buffer.from(signature.sha256, 'hex')) as number | null
      return { id: row.id, servedAs: null, isAsGood: false, sameBytes: same }
    },

    /** Signatures by the same key that say the same. */
    rivals(location: number, signature: NewSignature) {
      const bound = bounds(location, signature)
      const ask = (statement: typeof earlier) =>
        bound && ((statement.get(bound) as number | undefined) ?? null)
      return {
        /** What the new signature is to supersede: what a later signature by its key makes needless. */
        earlier: () => ask(earlier),
        /** What supersedes the new one already. */
        later: () => ask(later),
      }
    },

    /** Unix seconds. */
    lastChange: (id: number) => lastChange.get(id) as number,
    size: (id: number) => size.get(id) as number,
    hashesOf: (id: number) => hashesOf.get(id) as { identity: string; sha256: string },

    markSuperseded(id: number, by: number): void {
      mark.run(by, id)
      verdicts.forget(id)
    },
    /** Slots keep their numbers. A view that has no room for the new one keeps the old one, which is as good there. */
    handOver(from: number, to: number, size: number, moment: Moment): void {
      for (const { location, isHome, bytes, own } of slotsOf.all(from) as SlotOf[])
        if (isHome || bytes - own + size <= maxBytesPerLocation) slots.replace(location, from, to, moment)
      mark.run(to, from)
      verdicts.forget(from)
    },
    /** One that was superseded, or taken away, is there again; the keys that it was tried with are forgotten. */
    revive(id: number): void {
      unmark.run(id)
      verdicts.revive(id)
    },
    /** What a signature has superseded, of other identities, the earliest first. */
    supersededBy: (id: number, identity: string) =>
      superseded.all(id, Buffer.from(identity, 'hex')) as number[],
  }
}

export type Superseding = ReturnType<typeof prepareSuperseding>

interface SameIdentity {
  id: number
  servedAs: number | null
  isAsGood: boolean
  sameBytes: number | null
}
