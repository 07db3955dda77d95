import type { VerdictName } from '../../openpgp/verdict.ts'
import type { Location } from '../../reference/tree-path.ts'
import { chainStart } from '../chain.ts'
import { requireIntact, requireWhole } from '../damaged.ts'
import type {
  AddedSignature,
  BacklogEntry,
  Change,
  Position,
  Query,
  SignaturePage,
  Slot,
  StoredSignature,
} from '../storage.ts'
import type { Connection } from './connection.ts'
import {
  type AddedRow,
  addedColumns,
  addedJoins,
  addedSignature,
  type ChangeRow,
  changeColumns,
  changeJoins,
  keyIdOf,
  type LocationRow,
  location,
  type SignatureRow,
  signatureColumns,
  signatureJoins,
  timesOf,
} from './rows.ts'
import type { VerdictStatements } from './verdicts.ts'

/** A page ends where so many were looked at, however few of them were asked for: readers must not wait for it. */
const maxExamined = 2000

/** An index leads to the signatures of a verdict; to those of nobody's there are shorter ways, if a key is named. */
function isByVerdict({ verdict, repository, digest, key }: Query): boolean {
  return verdict !== undefined && !repository && !digest && !(key && verdict === 'unknown-key')
}

function isOfKey({ keyId, fingerprint }: AddedRow, { key }: Query): boolean {
  if (key === undefined) return true
  // Key ids collide. Where a signature names no fingerprint, the id is all there is.
  return keyId === keyIdOf(key) && (key.length === 16 || (fingerprint ?? key) === key)
}

/** Every query that changes nothing, prepared once. */
export function prepareReads(db: Connection, verdicts: VerdictStatements) {
  const dataVersion = db.prepare('PRAGMA data_version').pluck()
  const meta = db.prepare('SELECT value FROM meta WHERE key = ?').pluck()
  const head = db.prepare('SELECT seq, lower(hex(hash)) AS hash FROM changes ORDER BY seq DESC LIMIT 1')
  const position = db.prepare('SELECT seq, lower(hex(hash)) AS hash FROM changes WHERE seq = ?')
  // By indexes to the slots, and by rows alone back to whose they are: an index that is damaged leads elsewhere.
  const slots = db.prepare(
    `SELECT sl.slot, lower(hex(s.sha256)) AS sha256, sl.modified, sl.leaves, s.blob,
       home.digest = @digest AND (@kind = 'view' OR homePlace.name = @name) AS isHere
     FROM places p JOIN locations l ON l.place = p.id AND l.digest = @digest
       JOIN slots sl ON sl.location = l.id JOIN signatures s ON s.id = sl.signature
       LEFT JOIN locations home ON home.id = s.location LEFT JOIN places homePlace ON homePlace.id = home.place
     WHERE p.name = @name AND p.kind = @kind ORDER BY sl.slot`,
  )
  const slotHashes = db.prepare(
    `SELECT sl.slot, lower(hex(s.sha256)) AS sha256
     FROM places p JOIN locations l ON l.place = p.id AND l.digest = ?
       JOIN slots sl ON sl.location = l.id JOIN signatures s ON s.id = sl.signature
     WHERE p.name = ? AND p.kind = ? ORDER BY sl.slot`,
  )
  const version = db.prepare('SELECT coalesce(max(version), 0) FROM locations').pluck()
  const versionOf = db
    .prepare(
      `SELECT l.version FROM places p JOIN locations l ON l.place = p.id AND l.digest = ?
       WHERE p.name = ? AND p.kind = ?`,
    )
    .pluck()
  const changed = db.prepare(
    `SELECT p.kind, p.name, l.digest, l.version FROM locations l JOIN places p ON p.id = l.place
     WHERE l.version > ? ORDER BY l.version LIMIT ?`,
  )
  const locations = db.prepare(
    `SELECT l.id, p.kind, p.name, l.digest FROM locations l JOIN places p ON p.id = l.place
     WHERE l.id > ? AND EXISTS (SELECT 1 FROM slots sl WHERE sl.location = l.id) ORDER BY l.id LIMIT ?`,
  )
  const holds = db.prepare('SELECT 1 FROM signatures WHERE sha256 = ? LIMIT 1').pluck()
  const blob = db
    .prepare(
      `SELECT blob FROM signatures s WHERE sha256 = ? AND EXISTS (SELECT 1 FROM slots WHERE signature = s.id) LIMIT 1`,
    )
    .pluck()
  const find = db.prepare(`SELECT ${signatureColumns} FROM signatures s ${signatureJoins} WHERE s.id = ?`)
  const added = db.prepare(
    `SELECT ${addedColumns} FROM signatures s ${addedJoins} WHERE s.id > ? ORDER BY s.id LIMIT ?`,
  )
  const changes = db.prepare(
    `SELECT ${changeColumns} FROM changes c ${changeJoins} WHERE c.seq > ? ORDER BY c.seq LIMIT ?`,
  )
  const backlog = db.prepare(
    `SELECT p.kind, p.name, l.digest, b.error, b.since
     FROM tree_backlog b JOIN locations l ON l.id = b.location JOIN places p ON p.id = l.place ORDER BY b.location`,
  )
  // In the order of their numbers, by an index in which there is little of what was served once.
  const served = db.prepare(
    `SELECT ${signatureColumns} FROM slots sl INDEXED BY slots_by_signature
       CROSS JOIN signatures s ON s.id = sl.signature AND s.location = sl.location ${addedJoins}
     WHERE sl.signature > ? AND sl.leaves IS NULL ORDER BY sl.signature`,
  )
  const servedBy = (condition: string) =>
    db.prepare(
      `SELECT ${signatureColumns} FROM signatures s ${signatureJoins}
       WHERE ${condition} AND s.superseded_by IS NULL AND s.gone = 0 AND s.id > ? ORDER BY s.id`,
    )
  const servedByPlace = servedBy(`s.place = (SELECT id FROM places WHERE name = ? AND kind = 'repository')`)
  const servedByKey = servedBy('s.unverified_key_id = ?')
  // Only their numbers are sorted: a digest may be at every repository.
  const servedAt = (condition: string) =>
    db
      .prepare(
        `SELECT sl.signature FROM locations l CROSS JOIN places p ON p.id = l.place AND p.kind = 'repository'
           CROSS JOIN slots sl ON sl.location = l.id AND sl.leaves IS NULL AND sl.signature > @after
         WHERE l.digest = @digest AND ${condition} ORDER BY sl.signature LIMIT ${maxExamined + 1}`,
      )
      .pluck()
  const servedAtDigest = servedAt('true')
  const servedAtLocation = servedAt(
    `l.place = (SELECT id FROM places WHERE name = @repository AND kind = 'repository')`,
  )

  /** In the order of their numbers, by the narrowest index of what is asked for: the rest is to be left out. */
  const rowsBy = ({ repository, digest, key, after = 0 }: Query): Iterable<SignatureRow> => {
    if (digest && repository) return rowsOf(servedAtLocation.all({ repository, digest, after }) as number[])
    if (digest) return rowsOf(servedAtDigest.all({ digest, after }) as number[])
    if (repository) return servedByPlace.iterate(repository, after) as Iterable<SignatureRow>
    if (key) return servedByKey.iterate(keyIdOf(key), after) as Iterable<SignatureRow>
    return served.iterate(after) as Iterable<SignatureRow>
  }

  const rowsByVerdict = ({ verdict, key, after = 0 }: Query): Iterable<SignatureRow> =>
    rowsOf(verdicts.mayHave(verdict as VerdictName, key && keyIdOf(key), after))

  const rowsOf = function* (ids: Iterable<number>): Generator<SignatureRow> {
    for (const id of ids) {
      const row = find.get(id) as SignatureRow | undefined
      if (row) yield row
    }
  }

  const stored = (row: SignatureRow): StoredSignature => {
    requireIntact(row)
    return { ...addedSignature(row), slot: row.slot, ...verdicts.verdictFor(row.id, timesOf(row)) }
  }

  const readHead = (): Position => (head.get() as Position | undefined) ?? { seq: 0, hash: chainStart }

  return {
    dataVersion: () => dataVersion.get() as number,
    meta: (key: string) => meta.get(key) as string,
    head: readHead,

    position(seq: number): Position | null {
      if (seq === 0) return { seq: 0, hash: chainStart }
      return (position.get(seq) as Position | undefined) ?? null
    },

    slots({ kind, name, digest }: Location): Slot[] {
      const found = slots.all({ digest, name, kind }) as (Slot & { isHere: 0 | 1 | null })[]
      requireWhole(found)
      return found
    },

    slotHashes: ({ kind, name, digest }: Location) =>
      slotHashes.all(digest, name, kind) as Pick<Slot, 'slot' | 'sha256'>[],

    version: () => version.get() as number,

    versionOf: ({ kind, name, digest }: Location) =>
      (versionOf.get(digest, name, kind) as number | undefined) ?? 0,

    changedSince(since: number, limit: number): { locations: Location[]; version: number; head: Position } {
      const rows = changed.all(since, limit) as (LocationRow & { version: number })[]
      return { locations: rows.map(location), version: rows.at(-1)?.version ?? since, head: readHead() }
    },

    locations: (after: number, limit: number) =>
      (locations.all(after, limit) as (LocationRow & { id: number })[]).map((row) => ({
        id: row.id,
        location: location(row),
      })),

    holds: (sha256: string) => holds.get(Buffer.from(sha256, 'hex')) !== undefined,

    blob(sha256: string): Buffer | null {
      const found = (blob.get(Buffer.from(sha256, 'hex')) as Buffer | undefined) ?? null
      if (found) requireIntact({ sha256, blob: found })
      return found
    },

    find(id: number): StoredSignature | null {
      const row = find.get(id) as SignatureRow | undefined
      return row ? stored(row) : null
    },

    list(query: Query): SignaturePage {
      const { limit, maxBytes = Number.POSITIVE_INFINITY } = query
      const signatures: StoredSignature[] = []
      let bytes = 0
      let examined = 0
      let last = 0
      for (const row of isByVerdict(query) ? rowsByVerdict(query) : rowsBy(query)) {
        if (signatures.length >= limit || bytes >= maxBytes || examined >= maxExamined)
          return { signatures, next: last }
        last = row.id
        examined++
        bytes += row.blob.length
        if (!isOfKey(row, query)) continue
        const signature = stored(row)
        if (query.verdict === undefined || signature.verdict === query.verdict) signatures.push(signature)
      }
      return { signatures, next: null }
    },

    added: (after: number, limit: number): AddedSignature[] =>
      (added.all(after, limit) as AddedRow[]).map(addedSignature),

    changesAfter: (seq: number, limit: number) => changes.all(seq, limit) as ChangeRow[] as Change[],

    backlog: (): BacklogEntry[] =>
      (backlog.all() as (LocationRow & { error: string | null; since: number })[]).map((row) => ({
        location: location(row),
        error: row.error,
        since: row.since,
      })),
  }
}

export type Reads = ReturnType<typeof prepareReads>
