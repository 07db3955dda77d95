import type { SourceKey } from '../sources.ts'
import type { NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'

/** Which sources have a signature: every statement about it, and about the notes of sources. */
export function prepareSources(db: Connection) {
  const find = db.prepare('SELECT id FROM sources WHERE name = ?').pluck()
  const add = db.prepare('INSERT INTO sources (name) VALUES (?)')
  const contribute = db.prepare(
    `INSERT INTO contributions (source, signature, round) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET round = excluded.round`,
  )
  const makeLocal = db.prepare('UPDATE signatures SET local = 1 WHERE id = ? AND local = 0')
  const contributed = db
    .prepare(
      `SELECT c.signature FROM places p JOIN locations l ON l.place = p.id AND l.digest = @digest
         JOIN signatures s ON s.location = l.id AND s.identity = @identity
         JOIN contributions c ON c.signature = s.id AND c.source = @source
       WHERE p.name = @repository AND p.kind = 'repository'`,
    )
    .pluck()
  const isWithdrawn = db
    .prepare(
      `SELECT 1 FROM signatures s JOIN withdrawals w ON w.place = s.place AND w.identity = s.identity WHERE s.id = ?`,
    )
    .pluck()
  const drop = db.prepare('DELETE FROM contributions WHERE source = ? AND signature = ?')
  const isAnybodys = db
    .prepare(
      `SELECT local = 1 OR EXISTS (SELECT 1 FROM contributions WHERE signature = signatures.id)
       FROM signatures WHERE id = ?`,
    )
    .pluck()
  const unconfirmed = db.prepare(
    `SELECT p.name AS repository, l.digest, lower(hex(s.identity)) AS identity
     FROM contributions c JOIN signatures s ON s.id = c.signature JOIN places p ON p.id = s.place
       JOIN locations l ON l.id = s.location
     WHERE c.source = ? AND c.round < ? LIMIT ?`,
  )
  const count = db
    .prepare('SELECT count(*) FROM (SELECT 1 FROM contributions WHERE source = ? LIMIT ?)')
    .pluck()
  const state = db.prepare('SELECT state FROM sources WHERE name = ?').pluck()
  const setState = db.prepare('UPDATE sources SET state = ? WHERE id = ?')
  const setStatus = db.prepare('UPDATE sources SET status = ? WHERE id = ?')
  const all = db.prepare('SELECT name, state, status FROM sources ORDER BY name')
  const page = db
    .prepare(
      'SELECT seen FROM source_pages WHERE source = (SELECT id FROM sources WHERE name = ?) AND path = ?',
    )
    .pluck()
  const setPage = db.prepare(
    `INSERT INTO source_pages VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen`,
  )
  const dropPage = db.prepare('DELETE FROM source_pages WHERE source = ? AND path = ?')
  const pages = db.prepare(
    `SELECT path, seen FROM source_pages WHERE source = (SELECT id FROM sources WHERE name = ?) AND path > ?
     ORDER BY path LIMIT ?`,
  )

  /** Made where it is missing. */
  const idOf = (name: string): number =>
    (find.get(name) as number | undefined) ?? Number(add.run(name).lastInsertRowid)

  const rowsOf = (source: number, { repository, digest, identity }: SourceKey): number[] =>
    contributed.all({ source, repository, digest, identity: Buffer.from(identity, 'hex') }) as number[]

  return {
    /** Says whose a stored signature is; without a source, it was uploaded here. */
    contribute(signature: number, source: NewSignature['source']): void {
      if (source) contribute.run(idOf(source.name), signature, source.round)
      else makeLocal.run(signature)
    },

    confirm(name: string, keys: readonly SourceKey[], round: number): SourceKey[] {
      const source = idOf(name)
      return keys.filter((key) => {
        const rows = rowsOf(source, key)
        for (const row of rows) contribute.run(source, row, round)
        // What was withdrawn is refused again, so that who brings it is told.
        return !rows.length || rows.some((row) => isWithdrawn.get(row) !== undefined)
      })
    },

    /** Takes the contributions back; returns the signatures that are nobody's then. */
    drop(name: string, keys: readonly SourceKey[]): number[] {
      const source = idOf(name)
      const rows = keys.flatMap((key) => rowsOf(source, key))
      for (const row of rows) drop.run(source, row)
      return rows.filter((row) => !isAnybodys.get(row))
    },

    isAnybodys: (signature: number) => isAnybodys.get(signature) === 1,

    unconfirmed: (name: string, round: number, limit: number) =>
      unconfirmed.all(find.get(name) ?? null, round, limit) as SourceKey[],
    count: (name: string, limit: number) => count.get(find.get(name) ?? null, limit) as number,

    state: (name: string) => (state.get(name) as string | null | undefined) ?? null,
    setState: (name: string, text: string): void => void setState.run(text, idOf(name)),
    setStatus: (name: string, text: string): void => void setStatus.run(text, idOf(name)),
    all: () => all.all() as { name: string; state: string | null; status: string | null }[],

    page: (name: string, path: string) => (page.get(name, path) as string | undefined) ?? null,
    setPages(name: string, noted: readonly { path: string; seen: string | null }[]): void {
      const source = idOf(name)
      for (const { path, seen } of noted)
        if (seen === null) dropPage.run(source, path)
        else setPage.run(source, path, seen)
    },
    pages: (name: string, after: string, limit: number) =>
      pages.all(name, after, limit) as { path: string; seen: string }[],
  }
}

export type SourceStatements = ReturnType<typeof prepareSources>
