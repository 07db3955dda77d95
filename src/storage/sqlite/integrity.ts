import type { Connection } from './connection.ts'

/** Signatures of which the tables say different things, where no constraint of the schema forbids it. */
const contradictions = [
  {
    rows: 'SELECT s.id FROM signatures s JOIN locations l ON l.id = s.location WHERE l.place <> s.place',
    means: 'is at another repository than its location',
  },
  {
    rows: 'SELECT id FROM signatures s WHERE NOT EXISTS (SELECT 1 FROM changes c WHERE c.seq = s.id AND c.signature = s.id)',
    means: 'was never added: the log does not know it',
  },
  {
    rows: `SELECT id FROM signatures s WHERE NOT EXISTS (SELECT 1 FROM slots WHERE location = s.location AND signature = s.id)
      AND (SELECT kind FROM changes WHERE signature = s.id ORDER BY seq DESC LIMIT 1) IN ('added', 'reinstated')`,
    means: 'has no slot, and no change took it away',
  },
  {
    rows: `SELECT DISTINCT s.id FROM slots sl JOIN signatures s ON s.id = sl.signature
      JOIN withdrawals w ON w.place = s.place AND w.identity = s.identity`,
    means: 'is served, and was withdrawn',
  },
  {
    rows: `SELECT s.id FROM changes c JOIN signatures s ON s.id = c.signature
      WHERE c.kind = 'withdrawn' AND c.seq = (SELECT max(seq) FROM changes WHERE signature = s.id)
        AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.place = s.place AND w.identity = s.identity)
        AND NOT EXISTS (SELECT 1 FROM signatures copy JOIN changes r ON r.signature = copy.id
          WHERE copy.location = s.location AND copy.identity = s.identity AND r.kind = 'reinstated' AND r.seq > c.seq)`,
    means: 'was withdrawn, and may come back: no withdrawal is kept of it',
  },
  {
    rows: `SELECT s.id FROM slots sl JOIN signatures s ON s.id = sl.signature AND s.location = sl.location
      WHERE (SELECT kind FROM changes WHERE signature = s.id ORDER BY seq DESC LIMIT 1)
        IN ('withdrawn', 'removed', 'superseded')`,
    means: 'is served, and a change took it away',
  },
  {
    rows: `SELECT DISTINCT signature FROM slots sl WHERE leaves IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM slots live WHERE live.location = sl.location AND live.signature = sl.signature AND live.leaves IS NULL)`,
    means: 'has a slot for readers under way, and no other',
  },
  {
    rows: `SELECT DISTINCT s.id FROM slots sl JOIN signatures s ON s.id = sl.signature AND s.location = sl.location
      WHERE NOT EXISTS (SELECT 1 FROM checks WHERE signature = s.id)`,
    means: 'is in no listing by verdict',
  },
  {
    rows: `SELECT DISTINCT s.id FROM slots sl JOIN signatures s ON s.id = sl.signature
      JOIN locations l ON l.id = sl.location JOIN places p ON p.id = l.place
      JOIN locations home ON home.id = s.location
      WHERE l.digest <> home.digest OR (p.kind = 'repository' AND l.id <> home.id)`,
    means: 'has a slot where it does not belong',
  },
]

/** Without which nothing is served. */
const facts = [
  { key: 'epoch', condition: 'true' },
  { key: 'views', condition: 'json_valid(value)' },
]

function integrityCheck(db: Connection): string[] {
  try {
    const found = db.pragma('integrity_check') as { integrity_check: string }[]
    return found.map((row) => row.integrity_check).filter((text) => text !== 'ok')
  } catch (error) {
    return [(error as Error).message]
  }
}

/** SQLite opens and reads what its header says to be of a newer one, and only refuses to write it. */
function writeCheck(db: Connection): string[] {
  try {
    db.prepare('DELETE FROM meta WHERE false').run()
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code?.startsWith('SQLITE_READONLY')) return [message]
    // Somebody else writes: it can be written.
    if (!code?.startsWith('SQLITE_BUSY')) throw error
  }
  return []
}

/** What SQLite, and the rules that no constraint of the schema holds, find wrong, a sentence each. It reads everything. */
export function integrity(db: Connection): string[] {
  const unsound = integrityCheck(db)
  // Tables that are no tables any more say nothing.
  if (unsound.length) return unsound
  const unwritable = writeCheck(db)
  if (unwritable.length) return unwritable
  const orphans = db
    .prepare('SELECT "table" AS name, rowid AS row FROM pragma_foreign_key_check LIMIT ?')
    .all(maxTold) as { name: string; row: number }[]
  const missing = facts.filter(
    ({ key, condition }) => !db.prepare(`SELECT 1 FROM meta WHERE key = ? AND ${condition}`).get(key),
  )
  return [
    ...missing.map(({ key }) => `meta lacks ${key}`),
    ...orphans.map(({ name, row }) => `row ${row} of ${name} refers to a row that is not there`),
    ...contradictions.flatMap(({ rows, means }) => {
      const found = db.prepare(`SELECT * FROM (${rows}) LIMIT ?`).pluck().all(maxTold) as number[]
      return found.map((id) => `signature ${id} ${means}`)
    }),
  ]
}

/** Of each kind: where a rule is broken by millions, nobody reads them all. */
const maxTold = 1000
