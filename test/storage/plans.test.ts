import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { backUpSqlite } from '../../src/storage/sqlite/backup.ts'
import { restoreSqlite } from '../../src/storage/sqlite/restore.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { temporaryFolder } from '../temporary.ts'

/** What may read a whole table, or sort without an index, and why that costs no more where there are more signatures. */
const exceptions: { of: string; may: string[]; because: string }[] = [
  {
    of: 'FROM keys',
    may: ['SCAN keys'],
    because: 'there are as many as the keyrings of the operator have had, and they are kept in memory',
  },
  { of: 'UPDATE keys', may: ['SCAN keys'], because: 'the same' },
  {
    of: 'FROM banned_keys',
    may: ['SCAN b', 'SCAN k', 'SCAN banned_keys', 'USE TEMP B-TREE FOR ORDER BY'],
    because: 'an administrator banned each of them',
  },
  {
    of: 'FROM tokens ORDER BY created',
    may: ['SCAN tokens', 'USE TEMP B-TREE FOR ORDER BY'],
    because: 'an administrator made each of them, and only `token list` asks',
  },
  { of: 'FROM sources ORDER BY name', may: ['SCAN sources'], because: 'each is in the configuration' },
  {
    of: 'WHERE instr(named.name, +?) > 0',
    may: ['SCAN named'],
    because: 'what it looks through has a limit',
  },
  { of: 'FROM tree_backlog b', may: ['SCAN b'], because: 'it has only what could not be written' },
  {
    of: 'FROM revived r CROSS JOIN',
    may: ['SCAN r'],
    because: 'it starts with the first row, and has a limit',
  },
  {
    of: 'FROM changes ORDER BY seq DESC LIMIT 1',
    may: ['SCAN changes'],
    because: 'it reads one row, the last',
  },
  {
    of: 'FROM audit ORDER BY id LIMIT',
    may: ['SCAN audit'],
    because: 'it reads the first rows, as many as its limit says',
  },
  {
    of: 'FROM sqlite_schema',
    may: ['SCAN sqlite_'],
    because: 'the schema has as many rows as tables and indexes',
  },
  { of: 'FROM hosts WHERE host <>', may: ['SCAN hosts'], because: 'the index gives the first ten in order' },
  {
    of: 'count(*) FROM (SELECT 1 FROM contributions',
    may: ['SCAN (subquery-1)'],
    because: 'what it counts has a limit',
  },
  {
    of: 'FROM slots INDEXED BY slots_by_leaving',
    may: ['USE TEMP B-TREE FOR DISTINCT', 'SCAN (subquery-'],
    because: 'it ends at its limit, and holds no more',
  },
  {
    of: 'WHERE s.location = +? AND s.identity = +?',
    may: ['USE TEMP B-TREE FOR ORDER BY'],
    because: 'it sorts the copies of one signature at one location',
  },
  {
    of: 's.superseded_by = +?',
    may: ['USE TEMP B-TREE FOR ORDER BY'],
    because: 'it sorts what one signature has superseded at one location',
  },
  {
    of: 'l.digest = +@digest',
    may: ['USE TEMP B-TREE FOR ORDER BY'],
    because: 'it keeps the first numbers of one digest, as many as the limit says',
  },
  {
    of: 'FROM signatures gone',
    may: ['USE TEMP B-TREE FOR ORDER BY'],
    because: 'it sorts the copies of one signature over repositories',
  },
  {
    of: 'FROM covered',
    may: [
      'SCAN covered',
      'SCAN (subquery-',
      'USE TEMP B-TREE FOR ',
      'SEARCH first USING AUTOMATIC PARTIAL COVERING INDEX',
    ],
    because: 'a new digest view is laid out once, from its repositories',
  },
  {
    of: "SELECT id, name FROM places WHERE kind = 'repository'",
    may: ['SCAN places'],
    because: 'a new digest view is laid out once',
  },
]

/** They compare every row with the others: for `lookaside fsck`. */
const readingEverything = new Set(['integrity.ts'])

const folder = join(import.meta.dirname, '../../src/storage/sqlite')

/** Where statements are prepared, as `file:line:column`. */
function sitesInText(): Set<string> {
  const sites = readdirSync(folder).flatMap((file) => {
    const lines = readFileSync(join(folder, file), 'utf8').split('\n')
    return lines.flatMap((line, index) =>
      [...line.matchAll(/\.prepare\(/g)].map(({ index: at }) => `${file}:${index + 1}:${at + 2}`),
    )
  })
  return new Set(sites)
}

/** The frames of this call stack that are in the store, from the inside. */
function storeFrames(): string[] {
  const stack = new Error('where').stack ?? ''
  return [...stack.matchAll(/storage\/sqlite\/([\w.-]+:\d+:\d+)\)?$/gm)].map(([, frame]) => frame as string)
}

/** Each with the file that has it. */
const statements = new Map<string, string>()
const sites = new Set<string>()

const { prepare } = Database.prototype
Database.prototype.prepare = function (this: Database.Database, sql: string) {
  const frames = storeFrames()
  for (const frame of frames) sites.add(frame)
  // The innermost is where parameters are made expressions.
  const site = frames.find((frame) => !frame.startsWith('connection.ts'))
  statements.set(sql, site?.split(':')[0] ?? '')
  return prepare.call(this, sql)
} as typeof prepare

test('no statement reads a whole table of those that grow with signatures', async () => {
  const dataFolder = temporaryFolder()
  const storage = openSqlite({ dataFolder })
  // What prepares its statements when it is asked for.
  await storage.configureViews([{ base: 'view', repositories: ['**'] }])
  await storage.configureViews([])
  await storage.renewEpoch()
  await storage.integrity()
  await storage.close()
  const backup = join(dataFolder, 'backup')
  await backUpSqlite(dataFolder, backup, () => {})
  const by = { actor: 'test', origin: null }
  await restoreSqlite({ dataFolder, backup, by, leases: [], onPages() {}, onCheck() {} })

  const missed = sitesInText().difference(sites)
  assert.deepEqual([...missed], [], 'statements that this test has not seen')

  const db = new Database(join(dataFolder, 'lookaside.db'))
  db.exec('CREATE TEMP TABLE covered (place INTEGER PRIMARY KEY)')
  const used = new Set<string>()
  const costly: string[] = []
  for (const [sql, file] of statements) {
    if (readingEverything.has(file)) continue
    const text = sql.replaceAll(/\s+/g, ' ')
    for (const step of plan(db, sql)) {
      if (!/^SCAN (?!CONSTANT ROW|.* VALUES CLAUSE)|TEMP B-TREE|AUTOMATIC/.test(step)) continue
      const exception = exceptions.find(
        ({ of, may }) => text.includes(of) && may.some((start) => step.startsWith(start)),
      )
      if (exception) used.add(exception.of)
      else costly.push(`${file}: ${step}: ${text}`)
    }
  }
  db.close()
  assert.deepEqual(costly, [])
  assert.deepEqual(
    exceptions.map(({ of }) => of).filter((of) => !used.has(of)),
    [],
    'exceptions that are needed no more',
  )
})

function plan(db: Database.Database, sql: string): string[] {
  if (!/^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql)) return []
  const names = [...sql.matchAll(/@(\w+)/g)].map(([, name]) => [name, null])
  const bound = names.length ? [Object.fromEntries(names)] : [...sql.matchAll(/\?/g)].map(() => null)
  const explain: Database.Statement<unknown[]> = prepare.call(db, `EXPLAIN QUERY PLAN ${sql}`)
  return (explain.all(...bound) as { detail: string }[]).map(({ detail }) => detail)
}
