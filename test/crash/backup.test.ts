import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { lookaside } from '../cli/run.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const program = fileURLToPath(new URL('../../src/lookaside.js', import.meta.url))
const killer = new URL('kill-at.ts', import.meta.url).href

/** Runs a command that is killed before the nth call that changes names; true if it came that far. */
function killedAt(nth: number, ...args: string[]): boolean {
  const { status, signal, stderr } = spawnSync(process.execPath, ['--import', killer, program, ...args], {
    env: { PATH: process.env.PATH, KILL_AT: String(nth) },
    encoding: 'utf8',
  })
  assert.ok(signal === 'SIGKILL' || status === 0, stderr)
  return signal === 'SIGKILL'
}

const folder = temporaryFolder()
const data = join(folder, 'data')

async function importMany(name: string, letter: string, count: number): Promise<void> {
  const source = join(folder, name)
  for (let index = 0; index < count; index++) {
    const hex = `${letter}${index}`.padStart(64, '0')
    const place = join(source, 'team', `app@sha256=${hex}`)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'signature-1'), newBlob({ digest: `sha256:${hex}` }))
  }
  const { code, stderr } = await lookaside(['import', '--data', data, source])
  assert.equal(code, 0, stderr)
}

async function changesOf(dataFolder: string): Promise<number> {
  const storage = openSqlite({ dataFolder, create: false })
  const { seq } = await storage.head()
  assert.deepEqual(await storage.integrity(), [])
  await storage.close()
  return seq
}

await openSqlite({ dataFolder: data }).close()
await importMany('first', 'a', 20)
const backup = join(folder, 'backup')
assert.equal((await lookaside(['backup', backup, '--data', data])).code, 0)
await importMany('second', 'b', 10)

test('a backup that is killed wherever makes no file, or a whole one; the next takes its leftovers away', async (t) => {
  const file = join(folder, 'killed')
  let kills = 0
  while (killedAt(kills + 1, 'backup', file, '--data', data)) {
    kills++
    if (!existsSync(file)) continue
    const restored = join(folder, `restored-${kills}`)
    assert.equal((await lookaside(['restore', file, '--data', restored])).code, 0)
    assert.equal(await changesOf(restored), 30)
    rmSync(file)
  }
  t.diagnostic(`${kills} kills`)
  assert.ok(kills >= 4)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('killed')),
    ['killed'],
  )
})

test('a restore that is killed wherever leaves one database or the other, and neither is lost', async (t) => {
  let kills = 0
  for (let wasKilled = true; wasKilled; ) {
    const copy = join(folder, `copy-${kills}`)
    cpSync(data, copy, { recursive: true })
    wasKilled = killedAt(kills + 1, 'restore', backup, '--data', copy)
    if (wasKilled) kills++
    assert.ok([20, 30].includes(await changesOf(copy)), `kill ${kills}`)
    const again = await lookaside(['restore', backup, '--data', copy])
    assert.equal(again.code, 0, again.stderr)
    assert.equal(await changesOf(copy), 20)
    const kept = readdirSync(copy).filter((name) => name.startsWith('before-restore-'))
    const changes = await Promise.all(kept.map((name) => changesOf(join(copy, name))))
    assert.ok(changes.includes(30), `kill ${kills}: the database before is nowhere`)
    assert.ok(!existsSync(join(copy, 'restore.new')))
  }
  t.diagnostic(`${kills} kills`)
  assert.ok(kills >= 8)
})
