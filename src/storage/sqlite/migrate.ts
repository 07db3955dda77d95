import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Refusal } from '../../refusal.ts'
import type { Connection } from './connection.ts'

const folder = join(import.meta.dirname, '../../../migrations')

interface Migration {
  /** The schema that it leads to. */
  version: number
  file: string
}

/** In order. */
function allMigrations(): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), file: join(folder, name) }))
}

export const schemaOf = (db: Connection) => db.pragma('user_version', { simple: true }) as number

/** The newest schema that this program knows. */
export const newestSchema = () => allMigrations().at(-1)?.version ?? 0

/** Whether there is something for `migrate` to do. */
export function isBehind(db: Connection): boolean {
  return allMigrations().some(({ version }) => version > schemaOf(db))
}

/**
 * Applies each numbered migration above the database's schema number, each in a transaction of its own. Foreign keys are
 * not enforced meanwhile, so that a table can be made anew (sqlite.org/lang_altertable.html, 7); then they are checked.
 */
export function migrate(db: Connection, file: string): void {
  const migrations = allMigrations()
  const known = newestSchema()
  const found = schemaOf(db)
  if (found > known)
    throw new Refusal(
      'data-folder',
      `${file} has schema ${found}, written by a newer lookaside; this one knows schemas up to ${known}`,
    )
  for (const migration of migrations) {
    if (migration.version <= found) continue
    const sql = readFileSync(migration.file, 'utf8')
    db.transaction(() => {
      db.exec(sql)
      // It reads everything; what only adds tables, columns and indexes takes nothing away.
      const [orphan] = /^(?:DROP TABLE|DELETE|INSERT|REPLACE|UPDATE)\b/m.test(sql)
        ? (db.pragma('foreign_key_check') as { table: string }[])
        : []
      if (orphan)
        throw new Error(`${migration.file} leaves rows of ${orphan.table} without what they refer to`)
      db.pragma(`user_version = ${migration.version}`)
    }).immediate()
  }
  if (!db.prepare("SELECT 1 FROM meta WHERE key = 'epoch'").get())
    db.prepare("INSERT INTO meta VALUES ('epoch', ?), ('views', '[]'), ('generation', '0')").run(newEpoch())
}

/** 128 random bits in hex. */
export function newEpoch(): string {
  return randomBytes(16).toString('hex')
}
