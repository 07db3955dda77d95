import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { type ServerProcess, spawnServerIn } from '../process.ts'
import { type Answer, ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { type Fault, type FaultPlan, faults, planFault } from './fault-plan.ts'
import { atEnd, succeed, workFolder } from './program.ts'

/** How many faults are tried, spread over all operations; `all`: each kind at each, which takes an hour. */
const wanted = process.env.FAULTS ?? '21'

const folder = workFolder()
const library = join(folder, 'faults.so')
const sources = ['faults.c', 'power.c'].map((name) => join(import.meta.dirname, name))
await succeed('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', library, ...sources])

/** Signatures of these digests are there at the start, and come. */
const [old, added] = [exampleDigest('a'), exampleDigest('b')]

interface Outcome {
  /** What was acknowledged. */
  kept: Buffer[]
  /** Whose withdrawal was acknowledged. */
  withdrawn: Buffer[]
}

let running: ServerProcess | undefined
atEnd(async () => running?.end('SIGKILL'))

async function serve(data: string, variables: Record<string, string> = {}): Promise<ServerProcess> {
  running = await spawnServerIn({ LOOKASIDE_WITHDRAW_GRACE_SECONDS: '0', ...variables }, data)
  return running
}

const hasEnded = ({ process: { exitCode, signalCode } }: ServerProcess) =>
  exitCode !== null || signalCode !== null

/** Whether it was done. If it was not, the server is dead, or has said that it failed. */
async function isDone(request: Promise<Answer>): Promise<boolean> {
  const answer = await request.catch(() => null)
  if (answer === null) return false
  if (answer.status < 300) return true
  assert.ok(answer.status >= 500, `it was answered ${answer.status}`)
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
  return false
}

const upload = (server: ServerProcess, body: Buffer) =>
  isDone(ask(server, 'POST', '/api/v1/signatures', { token, body }))

/** Until all is in the tree, or the server is dead. */
const untilWritten = (server: ServerProcess, data: string) =>
  eventually(async () => {
    if (hasEnded(server)) return true
    const answer = await ask(server, 'GET', '/readyz').catch(() => null)
    return answer?.status === 200 && (await readPosition(treeOf(data)))?.seq === answer.json().head
  })

const template = join(folder, 'template')
const token = await newToken(template, [{ action: 'admin' }])
const [first, ...others] = [1, 2, 3].map(() => newBlob({ digest: old })) as [Buffer, ...Buffer[]]
{
  const server = await serve(template)
  for (const blob of [first, ...others]) assert.ok(await upload(server, blob))
  await untilWritten(server, template)
  assert.equal(await server.end('SIGTERM'), 0)
}

/** Uploads to a directory that is new, and to one that is there; a withdrawal, which moves another signature. */
async function work(server: ServerProcess, data: string): Promise<Outcome> {
  const kept = [...others]
  for (const digest of [added, added, old]) {
    const blob = newBlob({ digest })
    if (await upload(server, blob)) kept.push(blob)
  }
  const isWithdrawn = await isDone(ask(server, 'DELETE', '/api/v1/signatures/1?reason=test', { token }))
  await untilWritten(server, data)
  return { kept, withdrawn: isWithdrawn ? [first] : [] }
}

/** All of a digest, as a client walks them. */
async function served(server: ServerProcess, digest: string): Promise<Buffer[]> {
  const blobs: Buffer[] = []
  for (;;) {
    const slot = `signature-${blobs.length + 1}`
    const path = `/signatures/team/app@${digest.replace(':', '=')}/${slot}`
    const { status, body } = await ask(server, 'GET', path)
    if (status === 404) return blobs
    assert.equal(status, 200)
    blobs.push(body)
  }
}

/** Whatever became of it: once started, it has all that was acknowledged, in whatever slot, takes more, and is sound. */
async function expectNothingLost(data: string, { kept, withdrawn }: Outcome): Promise<void> {
  const server = await serve(data)
  const blobs = [...(await served(server, old)), ...(await served(server, added))]
  const isServed = (blob: Buffer) => blobs.some((other) => other.equals(blob))
  assert.ok(kept.every(isServed), 'an acknowledged signature is lost')
  assert.ok(!withdrawn.some(isServed), 'a withdrawn signature is served')
  assert.ok(await upload(server, newBlob({ digest: old })))
  await untilWritten(server, data)
  assert.equal(await server.end('SIGTERM'), 0)
  const tree = treeOf(data)
  const storage = openSqlite({ dataFolder: data })
  const { damage, pending } = await fsck(storage, { tree, repair: false, onProgress: () => {} })
  await storage.close()
  assert.deepEqual([damage, pending], [[], 0])
  for (const rest of [tree.staging, tree.lostAndFound])
    assert.deepEqual(existsSync(rest) ? readdirSync(rest) : [], [])
}

async function tryFault(name: string, at: number | null, fault: Fault | null): Promise<FaultPlan> {
  const data = join(folder, name)
  cpSync(template, data, { recursive: true })
  const plan = planFault(join(folder, `${name}.plan`), at, fault)
  const server = await serve(data, { LD_PRELOAD: library, FAULTS_FILE: plan.file, FAULTS_FOLDER: data })
  try {
    plan.arm()
    const outcome = await work(server, data)
    // One that lives gets over it.
    const later = newBlob({ digest: old })
    await eventually(async () => {
      if (!(await upload(server, later))) return hasEnded(server)
      outcome.kept.push(later)
      return true
    })
    await server.end('SIGTERM')
    await expectNothingLost(data, outcome)
  } finally {
    await running?.end('SIGKILL')
  }
  for (const rest of [data, `${data}.unsynced`]) rmSync(rest, { recursive: true, force: true })
  return plan
}

test('whatever operation on the disk fails, or is the last one, nothing is lost', async (t) => {
  const points = (await tryFault('counted', null, null)).points()
  const kinds = Object.keys(faults) as Fault[]
  const count = wanted === 'all' ? points * kinds.length : Number(wanted)
  let hits = 0
  for (let index = 0; index < count; index++) {
    const at = 1 + Math.floor((index / count) * points)
    const kind = kinds[index % kinds.length] as Fault
    await t.test(`operation ${at}: ${kind}`, async () => {
      const plan = await tryFault(`${at}-${kind.replaceAll(' ', '-')}`, at, kind)
      if (plan.hits()) hits++
    })
  }
  // Threads take turns, so that not each run has all points.
  assert.ok(hits > count / 2, `only ${hits} of ${count} faults were met`)
  t.diagnostic(`${points} operations, ${count} faults tried, ${hits} met, nothing lost`)
})
