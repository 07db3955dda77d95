import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../src/storage/sqlite/connection.ts'
import { prepareFolders } from '../../src/storage/sqlite/folders.ts'
import { temporaryFolder } from '../temporary.ts'

test('no query for a folder goes through a whole table, or sorts what it finds', () => {
  const db = connect(
    temporaryFolder(() => db.close()),
    { create: true },
  )
  const queries: string[] = []
  const prepare = db.prepare.bind(db)
  db.prepare = ((sql: string) => {
    queries.push(sql)
    return prepare(sql)
  }) as typeof db.prepare
  prepareFolders(db)
  assert.ok(queries.length > 5)
  for (const query of queries) {
    const parameters = Array.from(query.matchAll(/\?/g), () => null)
    const plan = prepare(`EXPLAIN QUERY PLAN ${query}`).all(parameters) as { detail: string }[]
    for (const { detail } of plan)
      assert.doesNotMatch(detail, /^SCAN (?!CONSTANT)|TEMP B-TREE|AUTOMATIC/, `${query}: ${detail}`)
  }
})
