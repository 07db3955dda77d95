import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { admission } from '../../src/admission/admit.ts'
import { adoptForeignTree } from '../../src/admission/adopt.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { treeLease, treeOf } from '../../src/tree/tree.ts'
import { ask, testServer } from '../server.ts'
import { newBlob } from '../signing.ts'
import { home } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

/** More than can be taken in before a server that does not wait would listen. */
const files = 1500

test('a server answers nobody while another process takes in a tree that is not of its database', async () => {
  const ends: (() => Promise<void>)[] = []
  const data = temporaryFolder(async () => {
    for (const end of ends.reverse()) await end()
  })
  const tree = treeOf(data)
  const places = Array.from({ length: files }, (_, index) => {
    const digest = parseDigest(`sha256:${String(index).padStart(64, '0')}`)
    const place = formatLocation(home('team/app', digest))
    mkdirSync(join(tree.root, place), { recursive: true })
    writeFileSync(join(tree.root, place, 'signature-1'), newBlob({ digest }))
    return place
  })
  const storage = openSqlite({ dataFolder: data })
  ends.push(storage.close)
  const lease = await storage.lease(treeLease)
  assert.ok(lease)

  let isListening = false
  const starting = testServer({ data }).then((server) => {
    isListening = true
    ends.push(server.close)
    return server
  })
  const admit = admission(storage, { digestViews: [], sigstoreJson: false })
  assert.equal((await adoptForeignTree(storage, tree, admit))?.added, files)
  assert.equal(isListening, false)
  lease.release()

  const server = await starting
  for (const place of [places[0], places[files - 1]])
    assert.equal((await ask(server, 'GET', `/signatures/${place}/signature-1`)).status, 200)
})
