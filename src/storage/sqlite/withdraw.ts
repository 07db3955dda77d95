import { setImmediate as nextTurn } from 'node:timers/promises'
import { requireFound } from '../damaged.ts'
import type { AddedSignature, Change } from '../storage.ts'
import type { BannedKey, Reason, Standing, StandingQuery } from '../withdrawing.ts'
import type { Connection } from './connection.ts'
import type { Log } from './log.ts'
import { type AddedRow, addedColumns, addedJoins, addedSignature, keyIdOf } from './rows.ts'
import type { Moment, Slots } from './slots.ts'
import type { VerdictStatements } from './verdicts.ts'
import { prepareShown } from './views.ts'

/** Taking signatures away, for good or not, and keeping them out. */
export function prepareWithdrawing(db: Connection, log: Log, slots: Slots, verdicts: VerdictStatements) {
  const shown = prepareShown(db)
  const row = db.prepare('SELECT id, place, location, identity FROM signatures WHERE id = ?')
  const copies = db
    .prepare('SELECT id FROM signatures WHERE location = ? AND identity = ? AND id <> ? ORDER BY id')
    .pluck()
  const servedAt = db.prepare('SELECT DISTINCT location FROM slots WHERE signature = ?').pluck()
  const isWithdrawn = db.prepare('SELECT 1 FROM withdrawals WHERE place = ? AND identity = ?').pluck()
  const insertWithdrawal = db.prepare('INSERT INTO withdrawals VALUES (?, ?, ?)')
  const markGone = db.prepare('UPDATE signatures SET gone = 1 WHERE id = ?')
  const added = `SELECT ${addedColumns}, w.change FROM signatures s ${addedJoins}
    JOIN withdrawals w ON w.place = s.place AND w.identity = s.identity WHERE s.id = ?`
  const withdrawn = db.prepare(added)
  const ban = db.prepare(
    'INSERT INTO banned_keys VALUES (@fingerprint, @time, @actor, @reason) ON CONFLICT DO NOTHING',
  )
  const unban = db.prepare('DELETE FROM banned_keys WHERE fingerprint = ?')
  const banned = db.prepare('SELECT fingerprint, time, actor, reason FROM banned_keys ORDER BY fingerprint')
  const ofCertificate = db.prepare('SELECT fingerprint FROM keys WHERE primary_fingerprint = ?').pluck()

  const standingBy = (index: string, condition: string) =>
    db.prepare(
      `SELECT s.id, p.name AS repository, l.digest, lower(hex(s.identity)) AS identity,
         (@repository IS NULL OR p.name = @repository)
         AND (@fingerprint IS NULL OR coalesce(s.unverified_fingerprint, @fingerprint) = @fingerprint
           OR NOT EXISTS (SELECT 1 FROM keys k WHERE k.fingerprint = s.unverified_fingerprint))
         AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.place = s.place AND w.identity = s.identity) AS isWanted
       FROM signatures s ${index} JOIN places p ON p.id = s.place JOIN locations l ON l.id = s.location
       WHERE ${condition} AND s.id > @after ORDER BY s.id LIMIT @limit`,
    )
  const byKeyIndex = [
    standingBy(
      'INDEXED BY signatures_by_key',
      's.superseded_by IS NULL AND s.gone = 0 AND s.unverified_key_id = @keyId',
    ),
    standingBy(
      'INDEXED BY unserved_by_key',
      '(s.superseded_by IS NOT NULL OR s.gone = 1) AND s.unverified_key_id = @keyId',
    ),
  ]
  const atLocation = standingBy(
    'INDEXED BY signatures_by_location',
    `s.location IN (SELECT l.id FROM locations l JOIN places p ON p.id = l.place
       WHERE p.kind = 'repository' AND l.digest = @digest AND (@repository IS NULL OR p.name = @repository))`,
  )

  /** A key, and the others of its certificate if it is the primary one. */
  const keysOf = (fingerprint: string): Set<string> =>
    new Set([fingerprint, ...(ofCertificate.all(fingerprint) as string[])])

  /** No slot has them any more, nor a listing. */
  const takeAway = (signatures: readonly number[], graceSeconds: number, moment: Moment) => {
    const gone = new Set(signatures)
    const leaves = Math.floor(moment.time / 1000) + graceSeconds
    const locations = new Set(signatures.flatMap((id) => servedAt.all(id) as number[]))
    for (const location of locations)
      slots.takeAway(location, gone, leaves, moment, (id) => shown.twinOf(location, id, gone))
    for (const id of signatures) {
      markGone.run(id)
      verdicts.forget(id)
    }
  }

  /** A key may have signed millions elsewhere: so many rows are looked at between two turns of the event loop. */
  const wanted = async (
    statement: Statement,
    query: { after: number; limit: number },
  ): Promise<Standing[]> => {
    const found: Standing[] = []
    for (let { after } = query; ; await nextTurn()) {
      const rows = statement.all({ ...query, after }) as (Standing & { isWanted: 0 | 1 })[]
      for (const { isWanted, ...row } of rows) if (isWanted) found.push(row)
      const last = rows.at(-1)
      if (!last || rows.length < query.limit || found.length >= query.limit) return found
      after = last.id
    }
  }

  const standing = async ({ key, repository, digest, after, limit }: StandingQuery): Promise<Standing[]> => {
    const query = { repository: repository ?? null, fingerprint: null, after, limit }
    const byId = new Map<number, Standing>()
    const add = async (statement: Statement, named: Record<string, unknown>) => {
      for (const each of await wanted(statement, { ...query, ...named })) byId.set(each.id, each)
    }
    if (key === undefined) await add(atLocation, { digest })
    else
      for (const name of keysOf(key))
        for (const statement of byKeyIndex)
          await add(statement, { keyId: keyIdOf(name), fingerprint: name.length === 16 ? null : name })
    return [...byId.values()].toSorted((a, b) => a.id - b.id).slice(0, limit)
  }

  return {
    takeAway,
    servedAt: (id: number) => servedAt.all(id) as number[],
    standing,

    withdraw(
      signatures: readonly number[],
      { actor, reason, origin, graceSeconds }: Reason,
      moment: Moment,
    ): Change[] {
      const changes: Change[] = []
      for (const id of signatures) {
        const found = row.get(id) as Row | undefined
        if (!found || isWithdrawn.get(found.place, found.identity)) continue
        // The one that was named comes first: the withdrawal is known by its change.
        const others = copies.all(found.location, found.identity, id) as number[]
        const [first] = [id, ...others].map((copy) => {
          const logged = requireFound(log.signature(copy), `Signature ${copy}`)
          const change = log.write('withdrawn', logged, { time: moment.time, actor, reason, origin })
          changes.push(change)
          return change
        })
        insertWithdrawal.run(found.place, found.identity, first?.seq)
      }
      const gone = changes.map(({ signature }) => signature)
      takeAway(gone, graceSeconds, moment)
      return changes
    },

    withdrawn(id: number): (AddedSignature & { change: Change }) | null {
      const found = withdrawn.get(id) as (AddedRow & { change: number }) | undefined
      if (!found) return null
      const { change, ...signature } = found
      return { ...addedSignature(signature), change: log.change(change) }
    },

    /** False where it was banned already. */
    banKey: (key: BannedKey): boolean => ban.run(key).changes > 0,
    unbanKey: (fingerprint: string): boolean => unban.run(fingerprint).changes > 0,
    bannedKeys: () => banned.all() as BannedKey[],

    isGraceDue: (time: number) => slots.due(Math.floor(time / 1000), 1).length > 0,

    endGrace(limit: number, graceSeconds: number, moment: Moment): boolean {
      const locations = slots.due(Math.floor(moment.time / 1000), limit)
      for (const location of locations) slots.endGrace(location, graceSeconds, moment)
      return locations.length < limit
    },
  }
}

export type Withdrawals = ReturnType<typeof prepareWithdrawing>

type Statement = ReturnType<Connection['prepare']>

interface Row {
  id: number
  place: number
  location: number
  identity: Buffer
}
