import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { parsePattern } from '../../src/access/pattern.ts'
import { mintToken, tokenRandomBytes } from '../../src/access/token.ts'
import type { Repository } from '../../src/reference/repository.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { chainHash, chainStart } from '../../src/storage/chain.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const digest = exampleDigest('a')
const view = { base: 'releases' as Repository, repositories: ['team/**'] }
const { id: tokenId, token, hash: tokenHash } = mintToken(randomBytes(tokenRandomBytes))
const blobs = [newBlob({ digest }), newBlob({ digest })]

/** As the first version of the program left one: rows in every table, and nothing that a later one would write. */
function writeFirstSchema(folder: string): void {
  const db = new Database(join(folder, 'lookaside.db'))
  db.exec(readFileSync(new URL('../../migrations/0001-initial.sql', import.meta.url), 'utf8'))
  const insert = (table: string, ...values: unknown[]) =>
    db.prepare(`INSERT INTO ${table} VALUES (${values.map(() => '?').join()})`).run(...values)
  insert('meta', 'epoch', 'e'.repeat(32))
  insert('meta', 'views', JSON.stringify([view]))
  insert('meta', 'generation', '3')
  insert('places', 1, 'repository', 'team/app')
  insert('places', 2, 'view', view.base)
  insert('locations', 1, 1, digest)
  insert('locations', 2, 2, digest)
  let previous = chainStart
  for (const [index, blob] of blobs.entries()) {
    const id = index + 1
    const { identity, sha256, format, signer } = readSignature(blob, { sigstoreJson: false })
    const { unverifiedKeyId, unverifiedFingerprint, unverifiedCreated, unverifiedExpires } = signer ?? {}
    const bytes = (hex: string) => Buffer.from(hex, 'hex')
    insert(
      'signatures',
      ...[id, 1, 1, bytes(identity), bytes(sha256), format, exampleReference, unverifiedKeyId],
      ...[unverifiedFingerprint, unverifiedCreated, unverifiedExpires, blob],
    )
    insert('slots', 1, id, id, 1_700_000_000)
    insert('slots', 2, id, id, 1_700_000_000)
    const change = { seq: id, time: 1_700_000_000_000, kind: 'added' as const, signature: id }
    const place = { repository: 'team/app' as never, digest, identity, sha256 }
    previous = chainHash(previous, { ...change, ...place, actor: 'token:1 ci', reason: null })
    insert('changes', id, change.time, 'added', id, 'token:1 ci', null, bytes(previous))
  }
  insert('hosts', 'registry.example.com', 1_700_000_000_000)
  insert('tree_backlog', 1, 'EACCES', 1_700_000_000_000)
  insert('tokens', tokenId, 'ci', tokenHash, '["push:team/**"]', 1_700_000_000_000, null, null)
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all() as string[]
  for (const table of tables)
    assert.ok(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get(), `${table} has no row`)
  db.pragma('user_version = 1')
  db.close()
}

test('a database of the first schema is brought up to date with everything in it', async () => {
  const data = temporaryFolder()
  writeFirstSchema(data)
  const storage = openSqlite({ dataFolder: data })
  assert.equal(await storage.epoch(), 'e'.repeat(32))
  assert.deepEqual(
    (await storage.list({ verdict: 'unknown-key', limit: 5 })).signatures.map(({ id, slot }) => [id, slot]),
    [
      [1, 1],
      [2, 2],
    ],
  )
  assert.deepEqual(
    (await storage.changesAfter(0, 5)).map(({ seq, actor }) => [seq, actor]),
    [
      [1, 'token:1 ci'],
      [2, 'token:1 ci'],
    ],
  )
  assert.deepEqual(
    (await storage.backlog()).map(({ error }) => error),
    ['EACCES'],
  )
  assert.deepEqual(
    (await storage.tokens()).map(({ id, scopes }) => [id, scopes]),
    [[tokenId, ['push:team/**']]],
  )
  await storage.close()

  const server = await testServer({
    data,
    digestViews: [{ ...view, repositories: view.repositories.map(parsePattern) }],
  })
  for (const place of [`team/app@${digest.replace(':', '=')}`, `releases/${digest.replace(':', '=')}`])
    for (const [index, blob] of blobs.entries()) {
      const { status, body } = await ask(server, 'GET', `/signatures/${place}/signature-${index + 1}`)
      assert.deepEqual([status, body], [200, blob])
    }
  const reference = 'quay.io/team/app:1.0'
  const body = newBlob({ digest, reference })
  const added = await ask(server, 'POST', '/api/v1/signatures?repository=team/app', { token, body })
  assert.equal(added.status, 201, added.body.toString())
  // It knows which hosts were seen.
  assert.match(JSON.stringify(added.json().warnings), /registry\.example\.com/)
  await server.close()

  const again = openSqlite({ dataFolder: data })
  const report = await fsck(again, { tree: treeOf(data), repair: true, onProgress: () => {} })
  await again.close()
  assert.deepEqual([report.damage, report.signatures, report.changes], [[], 3, 3])
})
