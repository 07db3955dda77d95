import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { temporaryFolder } from '../temporary.ts'
import { program } from './run.ts'

/** A data folder that fsck finds damaged. */
async function damagedFolder(): Promise<string> {
  const data = temporaryFolder()
  const storage = openSqlite({ dataFolder: data })
  await storage.record([{ event: 'refused', actor: null, origin: null }])
  await storage.close()
  const db = new Database(join(data, 'lookaside.db'))
  db.pragma('foreign_keys = OFF')
  db.exec('INSERT INTO slots (location, slot, signature, modified) VALUES (7, 1, 7, 0)')
  db.close()
  return data
}
const data = await damagedFolder()

for (const closed of ['stdout', 'stderr'] as const)
  test(`who reads no more of ${closed} changes nothing of what a command ends with`, async () => {
    for (const [args, code] of [
      [['fsck', '--data', data], 1],
      [['audit', '--data', data], 0],
      [['audit', '--data', join(data, 'nowhere')], 2],
    ] as const) {
      const child = spawn(process.execPath, [program, ...args])
      child[closed].destroy()
      const other = text(closed === 'stdout' ? child.stderr : child.stdout)
      assert.deepEqual(await once(child, 'close'), [code, null], `${args}: ${await other}`)
    }
  })

test('an answer that cannot be written is a failure with a sentence', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const child = spawn(process.execPath, [program, 'fsck', '--data', data], {
      stdio: ['ignore', full, 'pipe'],
    })
    const said = text(child.stderr as NonNullable<typeof child.stderr>)
    assert.deepEqual(await once(child, 'close'), [3, null])
    assert.match(await said, /^lookaside: the output cannot be written: ENOSPC: [^\n]*\n$/)
  } finally {
    closeSync(full)
  }
})
