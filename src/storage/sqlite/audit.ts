import {
  type AuditEntry,
  type AuditEvent,
  type AuditLimits,
  type AuditPage,
  type AuditQuery,
  type AuditRecord,
  fitting,
} from '../audit.ts'
import type { Connection } from './connection.ts'

/** Of the rows that are kept: refusals, and least of all those of strangers, push out nothing that was done. */
const shares = [
  { share: 1, part: 0.3, of: 'withdrawals, bans, tokens' },
  { share: 2, part: 0.5, of: 'uploads' },
  { share: 3, part: 0.1, of: 'refusals of known actors' },
  { share: 4, part: 0.05, of: 'refusals of strangers' },
  { share: 5, part: 0.05, of: 'what mirrors, bundles and old trees brought and was refused' },
] as const

const uploads: ReadonlySet<AuditEvent> = new Set(['uploaded', 'present', 'superseded', 'removed'])
const refusals: ReadonlySet<AuditEvent> = new Set(['refused', 'order-refused', 'sign-in-refused', 'left-out'])

const sources: ReadonlySet<string> = new Set(['mirror', 'bundle', 'tree'])

function shareOf({ event, actor, origin }: AuditEntry): number {
  if (refusals.has(event) && sources.has(origin?.door ?? '')) return 5
  if (refusals.has(event)) return actor === null ? 4 : 3
  return uploads.has(event) ? 2 : 1
}

const usualLimits: AuditLimits = { days: 90, rows: 500_000 }

/**
 * With each so many rows of a share, twice as many old ones may go: enough to get smaller where the limits do, and no more
 * work at one time than at another.
 */
const trimmedEach = 16

/** A page ends where so many were looked at: readers must not wait for it. */
const maxExamined = 1000

/** Processes write in nearly the order of time: where a stretch of time is asked for, the search begins so many rows before it. */
const looseness = 500

/** What clocks of processes on one machine may differ by, at the most. */
const slackMilliseconds = 60_000

const dayMilliseconds = 86_400_000

type Field = 'digest' | 'address' | 'repository' | 'actor' | 'code' | 'event'

/** How each is looked up; the narrowest that is asked for leads. */
const conditions: { field: Field; condition: string }[] = [
  { field: 'digest', condition: 'digest IS NOT NULL AND substr(digest, 1, 20) = substr(@value, 1, 20)' },
  { field: 'code', condition: 'code = @value' },
  { field: 'address', condition: 'address = @value' },
  {
    field: 'actor',
    condition: `actor IS NOT NULL
      AND substr(actor, 1, instr(actor || ' ', ' ') - 1) = substr(@value, 1, instr(@value || ' ', ' ') - 1)`,
  },
  { field: 'repository', condition: 'repository = @value' },
  { field: 'event', condition: "event <> 'uploaded' AND event = @value" },
]

const columns = `id, time, since, event, count, door, address, request, actor, repository, digest,
  lower(hex(identity)) AS identity, lower(hex(sha256)) AS sha256, code, detail, signature, change, reason`

/** Every statement about the trail. */
export function prepareAudit(db: Connection) {
  const insert = db.prepare(
    `INSERT INTO audit (share, number, time, since, event, count, door, address, request, actor, repository, digest,
       identity, sha256, code, detail, signature, change, reason)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const last = db.prepare('SELECT number FROM audit WHERE share = ? ORDER BY number DESC LIMIT 1').pluck()
  const oldest = db.prepare(
    `SELECT id, number, time FROM audit WHERE share = ? ORDER BY number LIMIT ${2 * trimmedEach}`,
  )
  const first = db.prepare(`SELECT id, time FROM audit ORDER BY id LIMIT ${2 * trimmedEach}`)
  const remove = db.prepare('DELETE FROM audit WHERE id = ?')
  const limits = db.prepare("SELECT value FROM meta WHERE key = 'audit'").pluck()
  const setLimits = db.prepare(
    "INSERT INTO meta VALUES ('audit', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  )
  const edges = db.prepare('SELECT (SELECT min(id) FROM audit) AS first, (SELECT max(id) FROM audit) AS last')
  const timeFrom = db.prepare('SELECT time FROM audit WHERE id >= ? ORDER BY id LIMIT 1').pluck()

  const inOrder = (condition: string, index = '') => ({
    oldestFirst: db.prepare(
      `SELECT ${columns} FROM audit ${index} WHERE ${condition} AND id > @after ORDER BY id LIMIT ${maxExamined + 1}`,
    ),
    newestFirst: db.prepare(
      `SELECT ${columns} FROM audit ${index} WHERE ${condition} AND id < @after ORDER BY id DESC LIMIT ${maxExamined + 1}`,
    ),
  })
  const all = inOrder('true')
  const byField = new Map(
    conditions.map(({ field, condition }) => [field, inOrder(condition, `INDEXED BY audit_by_${field}`)]),
  )

  let known = { text: '', limits: usualLimits }
  const currentLimits = (): AuditLimits => {
    const text = limits.get() as string | undefined
    if (text !== undefined && text !== known.text) known = { text, limits: JSON.parse(text) as AuditLimits }
    return known.limits
  }

  const trim = (share: number, newest: number, time: number) => {
    const { days, rows } = currentLimits()
    const since = time - days * dayMilliseconds
    const room = Math.floor(rows * (shares.find((each) => each.share === share)?.part ?? 0))
    for (const { id, number, time: then } of oldest.all(share) as Old[])
      if (number <= newest - room || then < since) remove.run(id)
    // Of any share: what nothing comes after any more must not stay.
    for (const { id, time: then } of first.all() as Omit<Old, 'number'>[]) if (then < since) remove.run(id)
  }

  /** The first row of about that time, or later: rows are in nearly the order of time. */
  const seek = (time: number): number => {
    let { first: low, last: high } = edges.get() as { first: number; last: number }
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((timeFrom.get(middle) as number) < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where rows from a time on, or before one, can begin. */
  const startOf = ({ from, to, newestFirst, after }: AuditQuery): number => {
    if (!newestFirst) return Math.max(after ?? 0, from === undefined ? 0 : seek(from) - looseness)
    const end = to === undefined ? Number.MAX_SAFE_INTEGER : seek(to) + looseness
    return Math.min(after ?? Number.MAX_SAFE_INTEGER, end)
  }

  return {
    /** In the transaction of what it tells of. */
    record(entry: AuditEntry, time: number): void {
      const share = shareOf(entry)
      const number = ((last.get(share) as number | undefined) ?? 0) + 1
      const { event, actor, origin, count = 1, since, ...about } = fitting(entry)
      const { repository, digest, identity, sha256, code, detail, signature, change, reason } = about
      insert.run(
        ...[share, number, time, since ?? null, event, count],
        ...[origin?.door ?? null, origin?.address ?? null, origin?.request ?? null, actor],
        ...[repository ?? null, digest ?? null, octets(identity), octets(sha256)],
        ...[code ?? null, detail ?? null, signature ?? null, change ?? null, reason ?? null],
      )
      if (number % trimmedEach === 0) trim(share, number, time)
    },

    setLimits: (wanted: AuditLimits): void => void setLimits.run(JSON.stringify(wanted)),

    page(query: AuditQuery): AuditPage {
      const { limit, newestFirst = false } = query
      const lead = conditions.find(({ field }) => isLead(field, query))?.field
      const statements = (lead && byField.get(lead)) ?? all
      const bound = { after: startOf(query), ...(lead && { value: query[lead] }) }
      const rows = statements[newestFirst ? 'newestFirst' : 'oldestFirst'].iterate(
        bound,
      ) as Iterable<AuditRecord>
      const records: AuditRecord[] = []
      let examined = 0
      let next = 0
      for (const row of rows) {
        if (records.length >= limit || examined >= maxExamined) return { records, next }
        // In this order nothing that is asked for can follow.
        if (isBeyond(row, query)) break
        examined++
        next = row.id
        if (isAskedFor(row, query))
          records.push({ ...row, identity: row.identity || null, sha256: row.sha256 || null })
      }
      return { records, next: null }
    },
  }
}

interface Old {
  id: number
  number: number
  time: number
}

export type Audit = ReturnType<typeof prepareAudit>

/** Uploads are so many that no index leads to them. */
function isLead(field: Field, query: AuditQuery): boolean {
  return query[field] !== undefined && !(field === 'event' && query.event === 'uploaded')
}

const octets = (hex: string | undefined): Buffer | null =>
  hex === undefined ? null : Buffer.from(hex, 'hex')

/** Rows are in nearly the order of time: what is asked for has ended where rows are later (or earlier) by a good deal. */
function isBeyond({ time }: AuditRecord, { from, to, newestFirst }: AuditQuery): boolean {
  return newestFirst
    ? time < (from ?? time) - slackMilliseconds
    : time >= (to ?? Number.POSITIVE_INFINITY) + slackMilliseconds
}

function isAskedFor(row: AuditRecord, { actor, from, to, ...query }: AuditQuery): boolean {
  const isSame = (['event', 'address', 'repository', 'digest', 'code'] as const).every(
    (field) => query[field] === undefined || query[field] === row[field],
  )
  const isTheirs = actor === undefined || row.actor === actor || row.actor?.split(' ', 1)[0] === actor
  return isSame && isTheirs && row.time >= (from ?? row.time) && row.time < (to ?? Number.POSITIVE_INFINITY)
}
