import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { servedBy } from '../mirror/servers.ts'
import { newSigningKey } from '../mirror/signing-key.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { type Answer, ask, newToken } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'

/** `KILLS=50 node --test test/crash/mirror.test.ts` for the full run: 5,000 uploads and 500 withdrawals. */
const kills = Number(process.env.KILLS ?? 5)
const uploads = kills * 100
const uploaders = 8

/** Each tenth is withdrawn again. */
const withdrawnOf = 10

interface Member {
  data: string
  start(): Promise<void>
  running: ServerProcess | null
  port: number
}

test(`three servers in a chain, killed at random ${kills} times, end equal`, async (t) => {
  const alice = newSigningKey(temporaryFolder(), 'alice')
  const members: Member[] = []
  for (let index = 0; index < 3; index++) {
    const data = temporaryFolder()
    const port = await freePort()
    const before = members.at(-1)
    const config = join(data, 'lookaside.yaml')
    const from = before && `http://127.0.0.1:${before.port}/signatures`
    writeFileSync(config, JSON.stringify({ mirrors: from ? [{ from, policy: alice.policy }] : [] }))
    const member: Member = {
      data,
      port,
      running: null,
      async start() {
        member.running = await spawnServer(data, '--config', config, '--listen', `127.0.0.1:${port}`)
      },
    }
    members.push(member)
    await member.start()
  }
  const [first, , last] = members as [Member, Member, Member]
  const token = await newToken(first.data, [{ action: 'admin' }])

  /** As a signer does it: again, until it is answered. */
  const insist = async (method: string, path: string, body?: Buffer) => {
    for (;;) {
      const answer: Answer | null = await ask(first, method, path, {
        token,
        ...(body && { body }),
      }).catch(() => null)
      if (answer && answer.status < 300) return answer.json()
      assert.ok(!answer || answer.status === 503, answer?.body.toString() ?? '')
      await wait(20)
    }
  }
  let next = 0
  const uploader = async () => {
    for (let tag = next++; tag < uploads; tag = next++) {
      const digest = `sha256:${String(Math.floor(tag / 50)).padStart(64, '0')}`
      const { id } = await insist('POST', '/api/v1/signatures', alice.sign(tag, { digest }))
      if (tag % withdrawnOf === 0) await insist('DELETE', `/api/v1/signatures/${id}?reason=test`)
    }
  }
  let killed = 0
  const killer = async () => {
    while (killed < kills) {
      const victim = members[Math.floor(Math.random() * members.length)] as Member
      // The moment of death is random on purpose; no condition is waited for.
      await wait(Math.random() * 500)
      await victim.running?.end('SIGKILL')
      await victim.start()
      killed++
    }
  }
  await Promise.all([...Array.from({ length: uploaders }, uploader), killer()])

  const expected = await servedBy(first)
  assert.equal(expected.length, uploads - Math.ceil(uploads / withdrawnOf))
  await eventually(async () => isDeepStrictEqual(await servedBy(last), expected))
  for (const { port } of members) assert.deepEqual(await servedBy({ port }), expected)

  for (const { running } of members) assert.equal(await running?.end('SIGTERM'), 0)
  for (const { data } of members) {
    const storage = openSqlite({ dataFolder: data })
    const report = await fsck(storage, { tree: treeOf(data), repair: false, onProgress: () => {} })
    await storage.close()
    assert.deepEqual(report.damage, [])
  }
  t.diagnostic(`${killed} kills, ${uploads} uploads, ${uploads - expected.length} withdrawn`)
})
