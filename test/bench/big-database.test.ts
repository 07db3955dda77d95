import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { temporaryFolder } from '../temporary.ts'
import { digestOf, fillBigDatabase, repositoryOf } from './big-database.ts'

test('a database that is filled at once is what uploads would have made of it', async () => {
  const dataFolder = temporaryFolder()
  const digests = 250
  await fillBigDatabase(dataFolder, digests, () => {})
  const storage = openSqlite({ dataFolder })
  const { damage, ...counts } = await fsck(storage, { tree: null, repair: false, onProgress: () => {} })
  assert.deepEqual(damage, [])
  assert.deepEqual(counts, {
    changes: 500,
    locations: 250,
    signatures: 500,
    pending: 0,
    damaged: 0,
    repaired: 0,
  })
  assert.equal(await storage.version(), 500)

  const [index, repository] = [7, repositoryOf(7)]
  const digest = digestOf(index)
  const slots = await storage.slots({ kind: 'repository', name: repository, digest })
  assert.deepEqual(
    slots.map(({ slot, blob }) => [slot, blob.length]),
    [
      [1, 1180],
      [2, 1180],
    ],
  )
  const { signatures } = await storage.list({ verdict: 'unknown-key', digest, limit: 10 })
  assert.deepEqual(
    signatures.map(({ id }) => id),
    [15, 16],
  )
  const changed = (await storage.changedSince(0, digests)).locations
  assert.equal(new Set(changed.map(formatLocation)).size, digests)
  await storage.close()
})
