import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { AuditEntry, AuditQuery, Origin } from '../../src/storage/audit.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { digest, newSignature, type Opened } from './contract.ts'

const origin: Origin = { door: 'POST', address: '192.0.2.1', request: 'req-1' }
const refusal = (about: Partial<AuditEntry> = {}): AuditEntry => ({
  event: 'refused',
  actor: null,
  origin,
  code: 'no-credentials',
  detail: 'A token is needed',
  ...about,
})

const records = async (storage: Storage, query: Partial<AuditQuery> = {}) =>
  (await storage.audit({ limit: 1000, ...query })).records
/** What the audit trail of every storage must do. `open` gives an empty one. */
export function auditContract(name: string, open: (clock?: () => number) => Opened): void {
  describe(`the audit trail of ${name}`, () => {
    test('has each change of the log, by whom, from where and why', async () => {
      const { storage, again } = open(() => 1_700_000_000_000)
      const { signature } = await storage.append(newSignature({ origin }))
      const door = { ...origin, door: 'DELETE' } as const
      const why = { actor: 'token:1 ci', reason: 'a mistake', graceSeconds: 0, origin: door }
      await storage.withdraw([signature.id], why)
      const [uploaded, withdrawn] = await records(again())
      const { id, repository, identity, sha256 } = signature
      assert.deepEqual(uploaded, {
        id: 1,
        time: 1_700_000_000_000,
        since: null,
        event: 'uploaded',
        count: 1,
        ...origin,
        actor: 'token:1 ci',
        ...{ repository, digest: signature.digest, identity, sha256 },
        code: null,
        detail: null,
        signature: id,
        change: 1,
        reason: null,
      })
      assert.deepEqual(
        [withdrawn?.event, withdrawn?.door, withdrawn?.signature, withdrawn?.change, withdrawn?.reason],
        ['withdrawn', 'DELETE', id, 2, 'a mistake'],
      )
    })

    test('has tokens, bans and restores, and nothing of what changed nothing', async () => {
      const { storage } = open()
      const by = { actor: 'user:root', origin }
      const token = { id: '00112233', name: 'ci', hash: randomBytes(32), scopes: ['push:team/**'] }
      await storage.addToken({ ...token, created: 1, expires: null, revoked: null }, by)
      for (let times = 0; times < 2; times++) await storage.revokeToken('00112233', 5, by)
      const key = { fingerprint: 'A'.repeat(40), time: 1, actor: 'token:1 ci', reason: 'stolen' }
      for (let times = 0; times < 2; times++) await storage.banKey(key, origin)
      for (let times = 0; times < 2; times++) await storage.unbanKey(key.fingerprint, by)
      await storage.renewEpoch(by)
      const found = await records(storage)
      assert.deepEqual(found.map(({ event, actor, detail }) => [event, actor, detail]).slice(0, 4), [
        ['token-created', 'user:root', '00112233 ci: push:team/**'],
        ['token-revoked', 'user:root', '00112233'],
        ['banned', 'token:1 ci', key.fingerprint],
        ['unbanned', 'user:root', key.fingerprint],
      ])
      assert.equal(found[4]?.event, 'restored')
      assert.ok(!JSON.stringify(found).includes(token.hash.toString('hex')))
    })

    test('is asked for by each field, by time, in both orders, and in pages', async () => {
      let time = 0
      const { storage } = open(() => time)
      const entries = [
        refusal({ repository: 'team/app', digest: digest('a') }),
        refusal({ actor: 'token:00112233 ci', code: 'claim-json' }),
        refusal({
          origin: { ...origin, address: '2001:db8::1' },
          actor: 'token:0011 x',
          event: 'order-refused',
        }),
        refusal({ digest: `${digest('a').slice(0, -1)}b`, code: 'claim-json' }),
      ]
      for (const entry of entries) {
        time += 100_000
        await storage.record([entry])
      }
      const ids = async (query: Partial<AuditQuery>) => (await records(storage, query)).map(({ id }) => id)
      assert.deepEqual(await ids({}), [1, 2, 3, 4])
      assert.deepEqual(await ids({ newestFirst: true }), [4, 3, 2, 1])
      assert.deepEqual(await ids({ digest: digest('a') }), [1])
      assert.deepEqual(await ids({ repository: 'team/app' }), [1])
      assert.deepEqual(await ids({ code: 'claim-json' }), [2, 4])
      assert.deepEqual(await ids({ code: 'claim-json', actor: 'token:00112233' }), [2])
      assert.deepEqual(await ids({ actor: 'token:00112233 ci' }), [2])
      assert.deepEqual(await ids({ actor: 'token:00112233 other' }), [])
      assert.deepEqual(await ids({ actor: 'token:0011' }), [3])
      assert.deepEqual(await ids({ address: '2001:db8::1' }), [3])
      assert.deepEqual(await ids({ event: 'order-refused' }), [3])
      assert.deepEqual(await ids({ from: 200_000, to: 400_000 }), [2, 3])
      assert.deepEqual(await ids({ from: 200_000, to: 400_000, newestFirst: true }), [3, 2])
      assert.deepEqual(await ids({ from: 500_000 }), [])
      assert.deepEqual(await ids({ to: 100_000, newestFirst: true }), [])
      for (const newestFirst of [false, true]) {
        const paged: number[] = []
        for (let after: number | undefined; ; ) {
          const page = await storage.audit({ limit: 1, newestFirst, ...(after !== undefined && { after }) })
          paged.push(...page.records.map(({ id }) => id))
          if (page.next === null) break
          after = page.next
        }
        assert.deepEqual(paged, newestFirst ? [4, 3, 2, 1] : [1, 2, 3, 4])
      }
    })

    test('finds what is rare among many others, and is not held up by them', async () => {
      const { storage } = open()
      await storage.record(Array.from({ length: 5000 }, () => refusal()))
      await storage.record([refusal({ actor: 'rare' })])
      const found = await storage.audit({ code: 'no-credentials', actor: 'rare', limit: 1000 })
      const pages = [found]
      for (let page = found; page.next !== null; pages.push(page))
        page = await storage.audit({ code: 'no-credentials', actor: 'rare', limit: 1000, after: page.next })
      assert.equal(pages.length, 6)
      assert.deepEqual(
        pages.flatMap(({ records }) => records.map(({ id }) => id)),
        [5001],
      )
    })

    test('gets no larger than its limits, and refusals push out nothing that was done', async () => {
      let time = 1_700_000_000_000
      const { storage, again } = open(() => time)
      await storage.limitAudit({ days: 1, rows: 1000 })
      const { signature } = await storage.append(newSignature())
      await storage.withdraw([signature.id], { actor: 'x', reason: 'y', graceSeconds: 0 })
      const other = again()
      await other.record([refusal({ actor: 'token:1 ci' })])
      for (let times = 0; times < 10; times++)
        await other.record(Array.from({ length: 1000 }, () => refusal()))
      const kept = (await records(storage)).map(({ event, actor }) => `${event} ${actor}`)
      assert.deepEqual(kept.slice(0, 3), ['uploaded token:1 ci', 'withdrawn x', 'refused token:1 ci'])
      // The share of strangers, and what comes between two trims.
      const ofStrangers = kept.slice(3)
      assert.ok(ofStrangers.every((line) => line === 'refused null'))
      assert.ok(ofStrangers.length >= 50 && ofStrangers.length < 66, `${ofStrangers.length} rows`)
      time += 2 * 86_400_000
      await storage.record(Array.from({ length: 64 }, () => refusal()))
      // Nothing of any kind is older than it may be.
      assert.ok((await records(storage)).every((record) => record.time === time))
    })

    test('cuts what is too long, and keeps what any character may be', async () => {
      const { storage } = open()
      const hostile = `\u0000\u001b[2J\u202e\ud800"'--;${'x'.repeat(100_000)}`
      const fields = [
        'actor',
        'repository',
        'digest',
        'identity',
        'sha256',
        'code',
        'detail',
        'reason',
      ] as const
      await storage.record([
        {
          ...refusal(),
          ...Object.fromEntries(fields.map((field) => [field, hostile])),
          origin: { door: 'PUT', address: hostile, request: hostile },
        },
      ])
      const [found] = await records(storage)
      assert.ok(JSON.stringify(found).length < 4000)
      assert.ok(found?.detail?.startsWith('\u0000\u001b[2J\u202e\ufffd"\'--;xx'))
      assert.deepEqual([found?.identity, found?.sha256], [null, null])
    })
  })
}
