import type { Repository } from '../../reference/repository.ts'
import { maxSlot } from '../../reference/tree-path.ts'
import { type DigestView, maxBytesPerLocation } from '../storage.ts'
import type { Connection } from './connection.ts'

/**
 * Lays out the slots of the digest views that are new or changed, and takes away those of the views that are gone, as
 * one job of a transaction. Views that stay as they were keep every slot. The tree hears of it through the backlog.
 */
export function layOutViews(
  db: Connection,
  views: readonly DigestView[],
  covers: (view: DigestView, repository: Repository) => boolean,
  time: number,
): void {
  const before = JSON.parse(
    db.prepare("SELECT value FROM meta WHERE key = 'views'").pluck().get() as string,
  ) as DigestView[]
  const known = new Set(before.map((view) => JSON.stringify(view)))
  const wanted = new Set(views.map((view) => JSON.stringify(view)))
  if (known.size === wanted.size && known.isSubsetOf(wanted)) return

  for (const view of before) if (!wanted.has(JSON.stringify(view))) takeDown(db, view, time)
  for (const view of views) if (!known.has(JSON.stringify(view))) layOut(db, view, covers, time)
  db.prepare("UPDATE meta SET value = ? WHERE key = 'views'").run(JSON.stringify(views))
  db.prepare("UPDATE meta SET value = value + 1 WHERE key = 'generation'").run()
}

function takeDown(db: Connection, { base }: DigestView, time: number): void {
  const within = `location IN (SELECT l.id FROM locations l JOIN places p ON p.id = l.place WHERE p.name = ? AND p.kind = 'view')`
  db.prepare(
    `INSERT INTO tree_backlog SELECT DISTINCT location, NULL, ? FROM slots WHERE ${within} ON CONFLICT DO NOTHING`,
  ).run(time, base)
  db.prepare(`DELETE FROM slots WHERE ${within}`).run(base)
}

function layOut(
  db: Connection,
  view: DigestView,
  covers: (view: DigestView, repository: Repository) => boolean,
  time: number,
): void {
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

  const chosen = `FROM signatures s JOIN covered USING (place) JOIN slots sl ON sl.signature = s.id AND sl.location = s.location
    JOIN locations home ON home.id = s.location`
  db.prepare(
    `INSERT INTO locations (place, digest) SELECT DISTINCT ?, home.digest ${chosen} WHERE true ON CONFLICT DO NOTHING`,
  ).run(place)
  // One signature at two repositories of a view is one signature there: the first that came, of copies that a key made.
  db.prepare(
    `INSERT INTO slots (location, slot, signature, modified)
     SELECT location, slot, id, ? FROM (
       SELECT l.id AS location, first.id, row_number() OVER earlier AS slot, sum(first.bytes) OVER earlier AS bytes
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
  db.prepare(
    `INSERT INTO tree_backlog SELECT l.id, NULL, ? FROM locations l WHERE l.place = ? ON CONFLICT DO NOTHING`,
  ).run(time, place)
  db.exec('DROP TABLE covered')
}
