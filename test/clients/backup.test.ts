import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { lookaside } from '../cli/run.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { workFolder } from './program.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'

const folder = workFolder()

test('on a full disk neither leaves anything behind, and the database stays', async () => {
  const disk = await mountSmallDisk(join(folder, 'disk'), '2m')
  const full = join(disk, 'data')
  const signature = join(folder, 'signature')
  writeFileSync(signature, newBlob({ digest: exampleDigest('a') }))
  await openSqlite({ dataFolder: full }).close()
  assert.equal((await lookaside(['import', '--data', full, signature])).code, 0)
  const backup = join(folder, 'backup')
  assert.equal((await lookaside(['backup', backup, '--data', full])).code, 0)
  await fillDisk(disk)
  const before = readdirSync(disk)
  for (const args of [
    ['backup', join(disk, 'backup')],
    ['restore', backup],
  ]) {
    const { code, stderr } = await lookaside([...args, '--data', full])
    assert.equal(code, 3, stderr)
    assert.match(stderr, /no room|full|ENOSPC/)
    assert.deepEqual(readdirSync(disk), before)
    assert.ok(!existsSync(join(full, 'restore.new')))
  }
  const storage = openSqlite({ dataFolder: full, create: false })
  assert.equal((await storage.head()).seq, 1)
  assert.deepEqual(await storage.integrity(), [])
  await storage.close()
})
