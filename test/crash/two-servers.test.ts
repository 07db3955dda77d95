import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const rounds = 10
const uploadsEach = 10
const digest = `sha256:${'0'.repeat(64)}`

test(`two servers started at once on a new folder, ${rounds} times, and under load: one log, and nothing lost`, async (t) => {
  const folder = temporaryFolder()
  let uploaded = 0
  for (let round = 0; round < rounds; round++) {
    const data = join(folder, String(round))
    const servers: ServerProcess[] = []
    await Promise.all(
      [0, 1].map(async () => {
        // The private CA is made by one of them.
        servers.push(await spawnServer(data, '--tls', round % 2 ? 'off' : 'auto'))
      }),
    )
    if (round % 2 === 0) {
      const made = servers.map(
        ({ log }) => log.filter(({ msg }) => /CA was created/.test(String(msg))).length,
      )
      assert.deepEqual(made.toSorted(), [0, 1])
      for (const server of servers) assert.equal(await server.end('SIGTERM'), 0)
      assert.ok(readdirSync(join(data, 'tls')).includes('ca.crt'))
    } else {
      const token = await newToken(data, [{ action: 'admin' }])
      const sent = servers.flatMap((server, index) =>
        Array.from({ length: uploadsEach }, async () => {
          const { status, ...answer } = await ask(server, 'POST', '/api/v1/signatures', {
            token,
            body: newBlob({ digest }),
          })
          assert.equal(status, 201, answer.body.toString())
          // What one has answered, the other one serves at the very next GET.
          const path = new URL(answer.json().url).pathname
          const read = await ask(servers[1 - index] as ServerProcess, 'GET', path)
          assert.equal(read.status, 200)
          return path
        }),
      )
      const paths = await Promise.all(sent)
      assert.equal(new Set(paths).size, 2 * uploadsEach)
      uploaded += paths.length
      for (const server of servers) assert.equal(await server.end('SIGTERM'), 0)
    }
    const storage = openSqlite({ dataFolder: data, create: false })
    const { damage, changes } = await fsck(storage, {
      tree: treeOf(data),
      repair: true,
      onProgress: () => {},
    })
    await storage.close()
    assert.deepEqual([damage, changes], [[], round % 2 ? 2 * uploadsEach : 0])
  }
  t.diagnostic(`${rounds} pairs, ${uploaded} uploads`)
})
