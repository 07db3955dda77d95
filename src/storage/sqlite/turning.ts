import { type SignatureTimes, type Standing, standingAt } from '../../openpgp/verdict.ts'
import type { Connection } from './connection.ts'

/**
 * A clock that is set back by no more is waited for: until it is there again, listings by verdict lack signatures whose
 * dates lie in between. What is told of a signature, and gates, go by the clock as it is.
 */
const patienceSeconds = 60

/** Standings that the clock turns, each into those beside it. */
const turning: ReadonlySet<string> = new Set<Standing>(['early', 'good', 'over'])

interface Row {
  key: number
  standing: string
  signature: number
  turns: number | null
}

/** How far standings are turned back. Rows before it are right as of `now`, and follow a clock that goes on. */
interface Sweep {
  now: number
  after: Pick<Row, 'key' | 'standing' | 'signature'>
}

/** Keeps the standings of `checks` in step with the clock, in seconds. */
export function prepareTurning(db: Connection, seconds: () => number) {
  const times = db.prepare(
    'SELECT unverified_created AS unverifiedCreated, unverified_expires AS unverifiedExpires FROM signatures WHERE id = ?',
  )
  const due = db.prepare('SELECT key, standing, signature, turns FROM checks WHERE turns <= ? LIMIT ?')
  // Those of nobody, key 0, have no dates.
  const first = db.prepare(
    'SELECT key, standing, signature, turns FROM checks WHERE key > 0 ORDER BY key, standing, signature LIMIT ?',
  )
  const following = db.prepare(
    `SELECT key, standing, signature, turns FROM checks WHERE (key, standing, signature) > (@key, @standing, @signature)
     ORDER BY key, standing, signature LIMIT @limit`,
  )
  const update = db.prepare('UPDATE checks SET standing = ?, turns = ? WHERE signature = ? AND key = ?')
  const note = db.prepare('SELECT value FROM meta WHERE key = ?').pluck()
  const write = db.prepare(
    'INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  )
  const drop = db.prepare('DELETE FROM meta WHERE key = ?')

  const lastTurn = () => Number(note.get('turned') ?? 0)
  const markTurn = (now: number) => void write.run('turned', String(now))
  const sweepUnderWay = () => JSON.parse((note.get('sweep') as string | undefined) ?? 'null') as Sweep | null

  const timesOf = (signature: number) => times.get(signature) as SignatureTimes

  const turnAll = (rows: readonly Row[], now: number) => {
    for (const { key, standing: before, signature, turns } of rows) {
      if (!turning.has(before)) continue
      const { standing, until } = standingAt(timesOf(signature), 'good', now)
      if (standing !== before || until !== turns) update.run(standing, until, signature, key)
    }
  }

  const isBack = () => seconds() + patienceSeconds < lastTurn() || sweepUnderWay() !== null

  /** No index tells which rows a clock that was ahead has turned, so that all are looked at. */
  const turnBack = (limit: number, now: number): boolean => {
    const sweep = sweepUnderWay()
    const rows = (
      sweep && sweep.now <= now ? following.all({ ...sweep.after, limit }) : first.all(limit)
    ) as Row[]
    turnAll(rows, now)
    const last = rows.at(-1)
    if (last && rows.length === limit) {
      const { key, standing, signature } = last
      write.run('sweep', JSON.stringify({ now, after: { key, standing, signature } } satisfies Sweep))
      return false
    }
    drop.run('sweep')
    markTurn(now)
    return true
  }

  return {
    timesOf,

    /** Of a standing as of now that is written elsewhere: from a clock that is behind this it may have to be turned back. */
    written(now: number): void {
      if (now > lastTurn()) markTurn(now)
    },

    isDue: () => isBack() || due.all(seconds(), 1).length > 0,

    /** See `turnStandings`. */
    turn(limit: number): boolean {
      const now = seconds()
      if (isBack()) return turnBack(limit, now)
      const rows = due.all(now, limit) as Row[]
      turnAll(rows, now)
      if (now > lastTurn()) markTurn(now)
      return rows.length < limit
    },
  }
}
