import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxClaimSize, readClaim } from '../../src/claim/claim.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { literal, onePass, packet, signature } from '../openpgp/write.ts'
import { claimOf, exampleDigest } from '../signing.ts'
import { startAttacked } from './attacked.ts'
import { collidingIntegers, otherIntegers } from './colliding.ts'
import { manyTimes, times } from './connections.ts'

const head = claimOf({ digest: exampleDigest('c') }).replace(/}}$/, '')

/** A claim that has these keys beside its own. */
const claimWith = (keys: readonly string[]) =>
  Buffer.from(`${head}${keys.map((key) => `,"${key}":0`).join('')}}}`)

/** As many as a claim has room for. */
const most = Array.from({ length: 10_000 }, (_, at) => at).findLast(
  (count) => claimWith(collidingIntegers(count)).length <= maxClaimSize,
) as number

test('a claim has room for few keys, and those whose hashes collide are read like others', (t) => {
  assert.ok(most < 5000)
  for (const [name, keys] of Object.entries({
    'that collide': collidingIntegers(most),
    'that do not': otherIntegers(most),
    'of names of prototypes': Array.from({ length: most / 2 }, (_, at) => `__proto__${at}`),
  })) {
    const bytes = claimWith(keys)
    const start = performance.now()
    const { document } = readClaim(bytes)
    t.diagnostic(`${keys.length} keys ${name}: ${(performance.now() - start).toFixed(1)} ms`)
    assert.equal(Object.keys(document.optional as object).length, keys.length + 2)
  }
  assert.throws(() => readClaim(claimWith(collidingIntegers(most + 1))), { code: 'too-large' })
})

test('uploads of such claims are admitted, and readers get what is there', async (t) => {
  const attacked = await startAttacked()
  const token = await attacked.token('push:**')
  const uploads = 20 * times
  const upload = (keys: readonly string[]) => async (index: number) => {
    const value = Buffer.alloc(256, 200 + (index % 50))
    value.writeUInt32BE(0x80000000 + index)
    const blob = Buffer.concat([
      packet(packetTag.onePassSignature, onePass()),
      packet(packetTag.literal, literal(claimWith(keys))),
      packet(packetTag.signature, signature({ value: Buffer.concat([Buffer.from([8, 0]), value]) })),
    ])
    const answer = await attacked.ask('POST', '/api/v1/signatures', { token, body: blob })
    assert.ok([201, 409].includes(answer.status), answer.body.toString())
  }
  for (const [name, keys] of Object.entries({
    collide: collidingIntegers(most),
    'do not': otherIntegers(most),
  })) {
    const start = performance.now()
    await attacked.whileReading(t, `${uploads} claims of ${most} keys that ${name}`, () =>
      manyTimes(uploads, upload(keys), 4),
    )
    t.diagnostic(`${((performance.now() - start) / uploads).toFixed(1)} ms each`)
  }
  await attacked.end()
})
