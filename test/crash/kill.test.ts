import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { walk } from '../../src/tree/walk.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

/** `KILLS=100 npm run test:crash` for the full run. */
const kills = Number(process.env.KILLS ?? 5)
const uploaders = 8

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test(`a server killed at random ${kills} times during uploads loses nothing it acknowledged`, async (t) => {
  const data = temporaryFolder()
  const tree = treeOf(data)
  const token = await newToken(data, [{ action: 'admin' }])
  /** By hash: everything that was ever sent, and by path: what was acknowledged. */
  const sent = new Set<string>()
  const acknowledged = new Map<string, string>()
  let server: ServerProcess | undefined
  after(() => server?.end('SIGKILL'))
  let digests = 0

  const upload = async (to: ServerProcess) => {
    // A digest takes 127: enough are used for none to fill up.
    const digest = `sha256:${String(Math.floor(digests++ / 100)).padStart(64, '0')}`
    const blob = newBlob({ digest })
    sent.add(sha256(blob))
    const answer = await ask(to, 'POST', '/api/v1/signatures', { token, body: blob })
    assert.equal(answer.status, 201)
    acknowledged.set(new URL(answer.json().url).pathname, sha256(blob))
  }

  /** Whatever is served or lies in the tree is whole. */
  const readSome = async (from: ServerProcess) => {
    const paths = [...acknowledged]
    const [path, hash] = paths[Math.floor(Math.random() * paths.length)] ?? []
    if (path) {
      const answer = await ask(from, 'GET', path)
      assert.deepEqual([answer.status, sha256(answer.body)], [200, hash])
    }
    for await (const { path, slot } of walk(tree.root)) {
      assert.ok(slot, `${path} is no slot`)
      const content = readFileSync(join(tree.root, path))
      assert.ok(sent.has(sha256(content)), `${path} is not whole`)
    }
  }

  for (let round = 0; round < kills; round++) {
    const running = await spawnServer(data)
    server = running
    let killed = false
    const untilKilled = async (work: (server: ServerProcess) => Promise<void>) => {
      while (!killed) {
        try {
          await work(running)
        } catch (error) {
          if (error instanceof assert.AssertionError || !killed) throw error
        }
      }
    }
    const work = [...Array.from({ length: uploaders }, () => untilKilled(upload)), untilKilled(readSome)]
    // The moment of death is random on purpose; no condition is waited for.
    await wait(Math.random() * 400)
    killed = true
    await running.end('SIGKILL')
    await Promise.all(work)
  }

  server = await spawnServer(data)
  const storage = openSqlite({ dataFolder: data })
  const { seq } = await storage.head()
  while ((await readPosition(tree))?.seq !== seq) await wait(20)
  for (const [path, hash] of acknowledged) {
    const answer = await ask(server, 'GET', path)
    assert.deepEqual([answer.status, sha256(answer.body)], [200, hash])
    assert.equal(sha256(readFileSync(join(tree.root, path.slice('/signatures/'.length)))), hash)
  }
  assert.equal(await server.end('SIGTERM'), 0)
  const report = await fsck(storage, { tree, repair: false, onProgress: () => {} })
  await storage.close()
  assert.deepEqual(report.damage, [])
  assert.equal(report.pending, 0)
  assert.ok(report.signatures >= acknowledged.size)
  t.diagnostic(
    `${kills} kills, ${sent.size} uploads sent, ${acknowledged.size} acknowledged, ${report.signatures} stored`,
  )
})

test('a stop finishes what is under way, and ends with 0', async () => {
  const data = temporaryFolder()
  const token = await newToken(data, [{ action: 'admin' }])
  const server = await spawnServer(data)
  const digest = exampleDigest('c')
  const uploads = Array.from({ length: 20 }, () =>
    ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob({ digest }) }),
  )
  await uploads[0]
  const end = server.end('SIGTERM')
  const answers = await Promise.all(uploads.map((upload) => upload.catch(() => null)))
  assert.equal(await end, 0)
  // Answered whole, or not taken at all: 503 where the request came after the signal.
  for (const answer of answers) assert.ok(answer === null || answer.status === 201 || answer.status === 503)
  const stored = answers.filter((answer) => answer?.status === 201)
  const storage = openSqlite({ dataFolder: data })
  const slots = await storage.slots({ kind: 'repository', name: 'team/app' as never, digest })
  assert.ok(slots.length >= stored.length)
  assert.ok(stored.length > 0)
  await storage.close()
})
