import { matches, parsePattern } from '../../access/pattern.ts'
import type { Repository } from '../../reference/repository.ts'
import { maxSlot } from '../../reference/tree-path.ts'
import { requireFound } from '../damaged.ts'
import { type DigestView, maxBytesPerLocation } from '../storage.ts'
import type { Connection } from './connection.ts'

/**
 * Lays out the slots of the digest views that are new or changed, and takes away those of the views that are gone, as
 * one job of a transaction. Views that stay as they were keep every slot.
 */
export function layOutViews(db: Connection, views: readonly DigestView[], time: number): void {
  const before = prepareViews(db)()
  const known = new Set(before.map((view) => JSON.stringify(view)))
  const wanted = new Set(views.map((view) => JSON.stringify(view)))
  if (known.size === wanted.size && known.isSubsetOf(wanted)) return

  for (const view of before) if (!wanted.has(JSON.stringify(view))) takeDown(db, view, time)
  for (const view of views) if (!known.has(JSON.stringify(view))) layOut(db, view, time)
  db.prepare("UPDATE meta SET value = ? WHERE key = 'views'").run(JSON.stringify(views))
}

/** The views that `slots` are laid out for. */
export function prepareViews(db: Connection): () => DigestView[] {
  const views = db.prepare("SELECT value FROM meta WHERE key = 'views' AND json_valid(value)").pluck()
  return () => JSON.parse(requireFound(views.get() as string | undefined, 'The list of digest views'))
}

/** Whether a view shows the signatures of a repository. */
function covers({ repositories }: DigestView, repository: Repository): boolean {
  return repositories.some((pattern) => matches(parsePattern(pattern), repository))
}

function takeDown(db: Connection, { base }: DigestView, time: number): void {
  const place = db
    .prepare("SELECT id FROM places WHERE name = ? AND kind = 'view'")
    .pluck()
    .get(base) as number
  touchAll(db, place, time)
  db.prepare(
    `UPDATE locations SET vacated = max(vacated, (SELECT coalesce(max(modified), 0) FROM slots WHERE location = locations.id))
     WHERE place = ?`,
  ).run(place)
  db.prepare('DELETE FROM slots WHERE location IN (SELECT id FROM locations WHERE place = ?)').run(place)
}

/** Says of every location of a view that what it serves has changed. */
function touchAll(db: Connection, place: number, time: number): void {
  const seconds = Math.floor(time / 1000)
  const version = db.prepare('SELECT coalesce(max(version), 0) FROM locations').pluck().get()
  db.prepare('UPDATE locations SET version = ? + id, changed = max(changed, ?) WHERE place = ?').run(
    version,
    seconds,
    place,
  )
  db.prepare('UPDATE places SET changed = max(changed, ?) WHERE id = ?').run(seconds, place)
}

function layOut(db: Connection, view: DigestView, time: number): void {
  db.prepare("INSERT INTO places (name, kind) VALUES (?, 'view') ON CONFLICT DO NOTHING").run(view.base)
  const place = db
    .prepare("SELECT id FROM places WHERE name = ? AND kind = 'view'")
    .pluck()
    .get(view.base) as number
  db.exec('CREATE TEMP TABLE covered (place INTEGER PRIMARY KEY)')
  const cover = db.prepare('INSERT INTO covered VALUES (?)')
  const repositories = db.prepare("SELECT id, name FROM places WHERE kind = 'repository'").all() as {
    id: number
    name: Repository
  }[]
  for (const { id, name } of repositories) if (covers(view, name)) cover.run(id)

  // In this order it costs what the view shows, however much there is beside it.
  const chosen = `FROM covered CROSS JOIN locations home ON home.place = covered.place
    CROSS JOIN slots sl ON sl.location = home.id AND sl.leaves IS NULL CROSS JOIN signatures s ON s.id = sl.signature`
  db.prepare(
    `INSERT INTO locations (place, digest) SELECT DISTINCT ?, home.digest ${chosen} WHERE true ON CONFLICT DO NOTHING`,
  ).run(place)
  // One signature at two repositories of a view is one signature there: the first that came, of copies that a key made.
  db.prepare(
    `INSERT INTO slots (location, slot, signature, modified)
     SELECT location, slot, id, max(?, vacated + 1) FROM (
       SELECT l.id AS location, l.vacated, first.id, row_number() OVER earlier AS slot, sum(first.bytes) OVER earlier AS bytes
       FROM (
         SELECT s.id, home.digest, length(s.blob) AS bytes, row_number() OVER (
           PARTITION BY home.digest, s.identity
           ORDER BY EXISTS (SELECT 1 FROM checks c WHERE c.signature = s.id AND c.standing = 'good') DESC, s.id
         ) AS copy ${chosen}
       ) first
       JOIN locations l ON l.place = ? AND l.digest = first.digest AND first.copy = 1
       WINDOW earlier AS (PARTITION BY l.id ORDER BY first.id)
     ) WHERE slot <= ${maxSlot} AND bytes <= ${maxBytesPerLocation}`,
  ).run(Math.floor(time / 1000), place)
  touchAll(db, place, time)
  db.exec('DROP TABLE covered')
}

/** What views show, where signatures come and go. */
export function prepareShown(db: Connection) {
  const twins = db.prepare(
    `SELECT s.id, p.name AS repository, view.name AS base
     FROM signatures gone JOIN locations home ON home.id = gone.location
       JOIN locations here ON here.id = @location JOIN places view ON view.id = here.place AND view.kind = 'view'
       JOIN locations l ON l.digest = home.digest
       JOIN signatures s ON s.location = l.id AND s.identity = gone.identity
       JOIN places p ON p.id = s.place
     WHERE gone.id = @signature AND s.id <> gone.id
       AND EXISTS (SELECT 1 FROM slots WHERE location = s.location AND signature = s.id AND leaves IS NULL)
       AND NOT EXISTS (SELECT 1 FROM slots WHERE location = @location AND signature = s.id)
     ORDER BY EXISTS (SELECT 1 FROM checks c WHERE c.signature = s.id AND c.standing = 'good') DESC, s.id`,
  )

  const shown = prepareViews(db)

  return {
    /** The bases of the views that show a repository. */
    basesFor: (repository: Repository): string[] =>
      shown()
        .filter((view) => covers(view, repository))
        .map(({ base }) => base),

    /**
     * What is taken away at one repository may be there at another that the view shows as well. Null at a repository: what
     * is gone there is gone.
     */
    twinOf(location: number, signature: number, gone: ReadonlySet<number>): number | null {
      const found = twins.all({ location, signature }) as {
        id: number
        repository: Repository
        base: string
      }[]
      if (!found.length) return null
      const bases = shown()
      const twin = found.find(({ id, repository, base }) => {
        return !gone.has(id) && bases.some((view) => view.base === base && covers(view, repository))
      })
      return twin?.id ?? null
    },
  }
}
