import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { servedBy } from '../mirror/servers.ts'
import { newSigningKey, type SigningKey } from '../mirror/signing-key.ts'
import { spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Entry, type Ledger, newLedger } from './ledger.ts'
import { newMember } from './member.ts'
import { mixedLoad } from './mixed-load.ts'

/** `KILLS=1000 npm run test:crash` for the full run; with `KILL_MINUTES` as many of them as fit into so many minutes. */
const kills = Number(process.env.KILLS ?? 6)
const minutes = Number(process.env.KILL_MINUTES ?? Number.POSITIVE_INFINITY)

/** Of the server that takes the uploads, in this order: what takes the least to start again, the most often. */
const victims = ['everything', 'primary', 'worker', 'worker', 'worker'] as const

test(`servers killed at random, up to ${kills} times, under all kinds of load lose nothing they acknowledged`, async (t) => {
  const keys = ['alice', 'mallory'].map((name) => newSigningKey(temporaryFolder(), name))
  const main = await newMember({ workers: 2 })
  const mirrored = { from: `http://127.0.0.1:${main.port}/signatures`, policy: keys[0]?.policy, every: '1s' }
  const mirror = await newMember({ workers: 1, mirrors: [mirrored] })
  const token = await newToken(main.data, [{ action: 'admin' }])
  const ledger = newLedger()
  let stopped = false
  const target = { ...main, token, ledger, keys: keys as [SigningKey, SigningKey], stopped: () => stopped }
  await Promise.all([main.start(), mirror.start()])
  const load = mixedLoad(target)
  const counts = { everything: 0, primary: 0, worker: 0, mirror: 0 }
  const deadline = performance.now() + minutes * 60_000
  let begun = 0
  let checked = 0

  /** The moment of death is random on purpose; no condition is waited for. */
  const untilNext = async (milliseconds: number): Promise<boolean> => {
    if (begun >= kills || performance.now() >= deadline) return false
    begun++
    await wait(Math.random() * milliseconds)
    return true
  }
  const killMain = async () => {
    for (let round = 0; await untilNext(400); round++) {
      const victim = victims[round % victims.length] as (typeof victims)[number]
      if (victim === 'worker') await main.killWorker()
      else await main.killAndStart(victim === 'primary')
      counts[victim]++
      const places = ledger.places()
      const some = Array.from({ length: 5 }, () => places[Math.floor(Math.random() * places.length)])
      // Each signer is at work at one of the last ones.
      for (const place of new Set([...places.slice(-7), ...some])) {
        if (!place) continue
        await patiently(() => ledger.walk(main, place))
        checked++
      }
    }
  }
  // It is given time to get on.
  const killMirror = async () => {
    while (await untilNext(1500)) {
      await mirror.killAndStart(false)
      counts.mirror++
    }
  }
  await Promise.race([Promise.all([killMain(), killMirror()]), load]).finally(() => {
    stopped = true
  })
  await load

  for (const place of ledger.places()) {
    await ledger.walk(main, place)
    await ledger.list(main, place)
  }
  const served = await servedBy(main)
  assert.equal(served.length, countOf(ledger, 'served'))
  await eventually(async () => isDeepStrictEqual(await servedBy(mirror), served))
  for (const place of ledger.places()) if (!place.startsWith('team/banned')) await ledger.walk(mirror, place)
  for (const member of [main, mirror]) assert.equal(await member.stop(), 0)
  for (const { data } of [main, mirror]) await expectSound(data)
  t.diagnostic(
    `${JSON.stringify(counts)} kills, ${ledger.acknowledged()} changes acknowledged, ${countOf(ledger, 'served')} signatures served, ${countOf(ledger, 'withdrawn')} withdrawn, ${checked} walks between kills`,
  )
})

function countOf(ledger: Ledger, state: Entry['state']): number {
  return ledger.entries().filter((entry) => entry.state === state).length
}

/** Whoever dies meanwhile is asked again. */
async function patiently(look: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await look()
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      await wait(20)
    }
  }
}

/** The log's chain holds, database and tree agree, and nothing is left lying about. */
async function expectSound(data: string): Promise<void> {
  const tree = treeOf(data)
  const storage = openSqlite({ dataFolder: data })
  const { damage, pending } = await fsck(storage, { tree, repair: true, onProgress: () => {} })
  await storage.close()
  assert.deepEqual([damage, pending], [[], 0])
  for (const rest of [tree.staging, tree.lostAndFound])
    assert.deepEqual(existsSync(rest) ? readdirSync(rest) : [], [])
}

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
