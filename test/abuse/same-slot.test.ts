import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Repository } from '../../src/reference/repository.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { type Attacked, startAttacked } from './attacked.ts'

/** `npm run test:abuse` fights 100 times over each image. */
const rounds = Number(process.env.ROUNDS ?? 8)
const images = 4

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const repository = 'team/fought' as Repository

interface Fight {
  /** What was acknowledged: by the hash of the blob. */
  uploaded: Map<string, number>
  withdrawn: Set<string>
}

test(`${rounds} fights over the slots of each of ${images} images lose nothing that was acknowledged`, async (t) => {
  const attacked = await startAttacked(['--workers', '2'], { LOOKASIDE_WITHDRAW_GRACE_SECONDS: '0' })
  const token = await attacked.token('push:**', 'withdraw:**')
  const fights = new Map(
    Array.from('cdef', (letter): [string, Fight] => [
      exampleDigest(letter),
      { uploaded: new Map(), withdrawn: new Set() },
    ]),
  )
  await attacked.whileReading(t, `${rounds * images} rounds`, () =>
    Promise.all([...fights].map(([digest, fight]) => fightOver(attacked, token, digest, fight))),
  )
  await attacked.end()

  const storage = openSqlite({ dataFolder: attacked.data })
  for (const [digest, fight] of fights) await isExplained(storage, digest, fight)
  const tree = treeOf(attacked.data)
  const report = await fsck(storage, { tree, repair: true, onProgress: () => {} })
  assert.deepEqual(report.damage, [])
  await storage.close()
  const [uploads, withdrawals] = [...fights.values()].reduce(
    ([up = 0, down = 0], { uploaded, withdrawn }) => [up + uploaded.size, down + withdrawn.size],
    [0, 0],
  )
  t.diagnostic(`${uploads} uploads and ${withdrawals} withdrawals were acknowledged`)
})

/** Two withdraw one signature while a third uploads it again, others add more, and one reads. */
async function fightOver(attacked: Attacked, token: string, digest: string, fight: Fight): Promise<void> {
  const claim = { reference: `registry.example.com/${repository}:1`, digest }
  const post = async (blob: Buffer) => {
    const answer = await attacked.ask('POST', '/api/v1/signatures', { token, body: blob })
    if (answer.status === 201) fight.uploaded.set(sha256(blob), answer.json().id)
    return answer
  }
  const known = new Set<string>()
  let prey = newBlob(claim)
  assert.equal((await post(prey)).status, 201)
  for (let round = 0; round < rounds; round++) {
    const hash = sha256(prey)
    const id = fight.uploaded.get(hash)
    const more = [newBlob(claim), newBlob(claim)]
    for (const blob of [prey, ...more]) known.add(sha256(blob))
    const remove = () => attacked.ask('DELETE', `/api/v1/signatures/${id}?reason=fight`, { token })
    const [one, other, again, ...added] = await Promise.all([
      remove(),
      remove(),
      post(prey),
      ...more.map(post),
      readWhole(attacked, digest, known),
    ])
    assert.deepEqual([one.status, other.status].sort()[0], 200)
    assert.ok([200, 404, 409].includes(Math.max(one.status, other.status)), other.body.toString())
    // There still, or withdrawn already.
    assert.ok([200, 409].includes(again.status), again.body.toString())
    for (const answer of added.slice(0, 2)) assert.equal(answer?.status, 201)
    fight.withdrawn.add(hash)
    const late = await post(prey)
    assert.deepEqual([late.status, late.json().code], [409, 'withdrawn'])
    // Of what is left one is withdrawn too, that the image never fills up.
    const [next, spare] = more as [Buffer, Buffer]
    const gone = fight.uploaded.get(sha256(spare))
    const path = `/api/v1/signatures/${gone}?reason=spare`
    if (round % 4) assert.equal((await attacked.ask('DELETE', path, { token })).status, 200)
    if (round % 4) fight.withdrawn.add(sha256(spare))
    prey = next
  }
}

/** As a client does, up to the first slot that is not there: whatever is read is whole. */
async function readWhole(attacked: Attacked, digest: string, known: ReadonlySet<string>): Promise<null> {
  for (let slot = 1; ; slot++) {
    const path = `/signatures/${repository}@${digest.replace(':', '=')}/signature-${slot}`
    const { status, body } = await attacked.ask('GET', path)
    if (status === 404) return null
    assert.equal(status, 200)
    assert.ok(known.has(sha256(body)))
  }
}

/** What the log says was added and not taken back is what is served, from slot 1 on, without a hole. */
async function isExplained(storage: Storage, digest: string, { uploaded, withdrawn }: Fight): Promise<void> {
  const live = new Set<string>()
  for (let after = 0; ; ) {
    const changes = await storage.changesAfter(after, 1000)
    for (const change of changes.filter((change) => change.digest === digest))
      if (change.kind === 'added' || change.kind === 'reinstated') live.add(change.sha256)
      else live.delete(change.sha256)
    const last = changes.at(-1)
    if (!last) break
    after = last.seq
  }
  const slots = await storage.slots({ kind: 'repository', name: repository, digest: digest as never })
  assert.deepEqual(
    slots.map(({ slot }) => slot),
    slots.map((_, index) => index + 1),
  )
  const served = slots.filter(({ leaves }) => leaves === null).map(({ sha256 }) => sha256)
  assert.deepEqual([...served].sort(), [...live].sort())
  for (const [hash] of uploaded) assert.equal(live.has(hash), !withdrawn.has(hash))
}
