import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { mintToken, parseToken, tokenRandomBytes } from '../../src/access/token.ts'
import type { AuditPage, AuditRecord } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { startAttacked } from './attacked.ts'
import { manyTimes } from './connections.ts'

/** `npm run test:abuse` guesses 100,000 times. */
const guesses = Number(process.env.GUESSES ?? 400)

/** What somebody is told in full in a minute (src/http/sign-in-failures.ts), and what the trail has room for. */
const perMinute = 30
const maxRecords = 200

const doors = [
  ['POST', '/api/v1/signatures'],
  ['PUT', `/signatures/team/app@sha256=${'a'.repeat(64)}/signature-1`],
  ['PUT', `/extensions/v2/team/app/signatures/${exampleDigest()}`],
  ['DELETE', '/api/v1/signatures/1?reason=x'],
  ['GET', '/api/v1/audit'],
] as const

const partsOf = (token: string) => parseToken(token) ?? assert.fail(token)

test(`${guesses} guesses at tokens are soon told nothing, leave little behind, and disturb no reader and no signer`, async (t) => {
  const attacked = await startAttacked()
  const token = await attacked.token('push:**')
  const { id, secret } = partsOf(token)
  /** Never heard of; and those that know a half of a good one. */
  const guess = (index: number) => {
    const other = mintToken(randomBytes(tokenRandomBytes)).token
    const { id: otherId, secret: otherSecret } = partsOf(other)
    return [other, `lks_${id}_${otherSecret}`, `lks_${otherId}_${secret}`, token.slice(0, -1), 'x'][
      index % 5
    ] as string
  }
  const before = attacked.server.log.length
  const statuses: Record<number, number> = {}
  const minutes = performance.now()
  await attacked.whileReading(t, `${guesses} guesses`, () =>
    manyTimes(
      guesses,
      async (index) => {
        const [method, path] = doors[index % doors.length] as (typeof doors)[number]
        const basic = `Basic ${Buffer.from(`me:${guess(index)}`).toString('base64')}`
        const headers = index % 2 ? { authorization: basic } : { authorization: `Bearer ${guess(index)}` }
        const { status } = await attacked.ask(method, path, { headers })
        statuses[status] = (statuses[status] ?? 0) + 1
        // In between, whoever has a token uploads.
        if (index % 100 > 0) return
        const added = await attacked.ask('POST', '/api/v1/signatures', {
          token,
          body: newBlob({ digest: `sha256:${String(index).padStart(64, '0')}` }),
        })
        assert.equal(added.status, 201)
      },
      8,
    ).then(() => {}),
  )
  const windows = 1 + Math.ceil((performance.now() - minutes) / 60_000)
  t.diagnostic(JSON.stringify(statuses))
  assert.deepEqual(Object.keys(statuses), ['401', '429'])
  assert.ok((statuses[401] ?? 0) <= perMinute * windows)
  const told = attacked.server.log.slice(before).filter(({ msg }) => msg === 'refused').length
  assert.ok(told <= perMinute * windows, `${told} lines of the log`)
  await attacked.end()
  const storage = openSqlite({ dataFolder: attacked.data })
  const refused: AuditRecord[] = []
  for (let after: number | null | undefined; after !== null; ) {
    const page: AuditPage = await storage.audit({ limit: 1000, ...(after ? { after } : {}) })
    refused.push(...page.records.filter(({ event }) => event.endsWith('refused')))
    after = page.next
  }
  assert.ok(refused.length > 0 && refused.length <= maxRecords * windows, `${refused.length} records`)
  assert.equal(
    refused.reduce((sum, { count }) => sum + count, 0),
    guesses,
  )
  await storage.close()
})
