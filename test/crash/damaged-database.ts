import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { startServer } from '../../src/app/start.ts'
import type { RunningServer } from '../../src/cli/serve.ts'
import { Refusal } from '../../src/refusal.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import type { Random } from '../random.ts'
import { ask, newToken, testConfig } from '../server.ts'
import { newBlob } from '../signing.ts'
import { sha256 } from './ledger.ts'

export interface Template {
  folder: string
  /** The same, as a server leaves it that is killed: most of it is in the WAL. */
  killed: string
  token: string
  /** By the path of each slot, the SHA-256 of what it has. */
  slots: Map<string, string>
}

const digests = 12
const perDigest = 20

/** A data folder with enough in it for pages of every kind, of a server that has ended. */
export async function makeTemplate(folder: string): Promise<Template> {
  const token = await newToken(folder, [{ action: 'admin' }])
  // Pages that will be free, before those in use.
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec('CREATE TABLE gone (filler TEXT); INSERT INTO gone VALUES (hex(zeroblob(40000)))')
  const server = await startServer(testConfig(folder), pino({ level: 'silent' }))
  const at = { port: Number(new URL(server.origin).port) }
  const slots = new Map<string, string>()
  const uploads = Array.from({ length: digests * perDigest }, async (_, number) => {
    const digest = `sha256:${String(number % digests).padStart(64, '0')}`
    const blob = newBlob({ digest })
    const { url } = (await ask(at, 'POST', '/api/v1/signatures', { token, body: blob })).json()
    slots.set(new URL(url).pathname, sha256(blob))
  })
  await Promise.all(uploads)
  const { head } = (await ask(at, 'GET', '/readyz')).json()
  await eventually(async () => (await readPosition(treeOf(folder)))?.seq === head)
  const killed = `${folder}-killed`
  cpSync(folder, killed, { recursive: true })
  await server.close()
  db.exec('DROP TABLE gone')
  db.close()
  return { folder, killed, token, slots }
}

export interface Outcome {
  /** Why the server did not start; null: it did. */
  refused: Refusal | null
  /** Slots with what they should have; not answered with 200; with other bytes. */
  right: number
  missing: number
  wrong: number
  /** Of those, what no file of the tree has any more. */
  gone: number
  /** What an upload was answered. */
  upload: number
  /** What fsck found; null: it could not even open the database. */
  damage: string[] | null
}

/** What becomes of a copy of the template that is damaged, or of one that is damaged while it is served. */
export async function outcomeOf(
  { folder, killed, token, slots }: Template,
  copy: string,
  damage: (data: string) => void,
  { running = false, wasKilled = false } = {},
): Promise<Outcome> {
  cpSync(wasKilled ? killed : folder, copy, { recursive: true })
  if (!running) damage(copy)
  let server: RunningServer
  try {
    server = await startServer(testConfig(copy), pino({ level: 'silent' }))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const gone = goneFromTree(slots, copy)
    return { refused: error, right: 0, missing: 0, wrong: 0, gone, upload: 0, damage: await found(copy) }
  }
  const at = { port: Number(new URL(server.origin).port) }
  if (running) {
    // All of its threads have opened the database when they have done something.
    await ask(at, 'POST', '/api/v1/signatures', { token, body: newBlob() })
    damage(copy)
  }
  const counts = { right: 0, missing: 0, wrong: 0 }
  let upload = 0
  try {
    for (const [path, expected] of slots) {
      const { status, body } = await ask(at, 'GET', path)
      if (status !== 200) counts.missing++
      else if (sha256(body) === expected) counts.right++
      else counts.wrong++
    }
    const body = newBlob()
    upload = (await ask(at, 'POST', '/api/v1/signatures', { token, body })).status
  } finally {
    await server.close()
  }
  return { refused: null, ...counts, gone: goneFromTree(slots, copy), upload, damage: await found(copy) }
}

function goneFromTree(slots: Template['slots'], data: string): number {
  const entries = readdirSync(join(data, 'tree'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const hashes = new Set(files.map(({ parentPath, name }) => sha256(readFileSync(join(parentPath, name)))))
  return [...slots.values()].filter((hash) => !hashes.has(hash)).length
}

export async function found(data: string): Promise<string[] | null> {
  try {
    const storage = openSqlite({ dataFolder: data, create: false })
    try {
      const report = await fsck(storage, { tree: treeOf(data), repair: false, onProgress: () => {} })
      return report.damage.map(({ where, detail }) => `${where}: ${detail}`)
    } finally {
      await storage.close()
    }
  } catch (error) {
    if (error instanceof Refusal) return null
    throw error
  }
}

const pageSize = 4096

/** The numbers of the pages of each kind, from 1. */
export function pagesOf(file: string): Map<string, number[]> {
  const db = new Database(file, { readonly: true })
  const rows = db
    .prepare(
      `SELECT CASE WHEN d.name = 'sqlite_schema' THEN 'schema' ELSE s.type END || ' ' || d.pagetype AS kind, pageno
       FROM dbstat d LEFT JOIN sqlite_schema s ON s.name = d.name`,
    )
    .all() as { kind: string; pageno: number }[]
  const known = new Set(rows.map(({ pageno }) => pageno))
  const count = db.pragma('page_count', { simple: true }) as number
  db.close()
  const all = Array.from({ length: count }, (_, index) => index + 1)
  for (const pageno of all) if (!known.has(pageno)) rows.push({ kind: 'free', pageno })
  const pages = new Map<string, number[]>([['header', [1]]])
  for (const { kind, pageno } of rows) pages.set(kind, [...(pages.get(kind) ?? []), pageno])
  return pages
}

/** Changes a few bytes of one page: of the first, the header of the file alone. */
export function flip(
  file: string,
  { below }: Random,
  { page, bytes, onlyHeader = false }: { page: number; bytes: number; onlyHeader?: boolean },
): void {
  const content = readFileSync(file)
  for (let count = 0; count < bytes; count++) {
    const at = (page - 1) * pageSize + below(onlyHeader ? 100 : pageSize)
    content[at] = (content[at] as number) ^ (1 + below(255))
  }
  writeFileSync(file, content)
}
