import type { Connection } from './connection.ts'

/** A slot that must change has changed in this very second. The job is to be done again in so many milliseconds. */
export class NextSecond extends Error {
  readonly milliseconds: number
  constructor(milliseconds: number) {
    super(`A slot cannot change again for ${milliseconds} ms`)
    this.milliseconds = milliseconds
  }
}

/** When a change is made. */
export interface Moment {
  /** Unix milliseconds. */
  time: number
  /** Whether the job can be done again in the next second. */
  mayWait: boolean
}

interface SlotRow {
  slot: number
  signature: number
  modified: number
  leaves: number | null
}

/** The longest that the configuration permits: what stays for longer was withdrawn when the clock was ahead. */
const longestGraceSeconds = 86_400

/** Never the time that it had, where the clock was ahead of what it is now. */
const later = 'iif(@seconds < changed, changed + 1, @seconds)'

/**
 * The only writer of slots. At each location they are contiguous from 1. What a slot has changes at most once a second,
 * and its time grows with it, also over a time when the slot was not there: clients go by whole seconds.
 */
export function prepareSlots(db: Connection) {
  const rows = db.prepare(
    'SELECT slot, signature, modified, leaves FROM slots WHERE location = ? ORDER BY slot',
  )
  const top = db.prepare('SELECT coalesce(max(slot), 0) FROM slots WHERE location = ?').pluck()
  const vacated = db.prepare('SELECT vacated FROM locations WHERE id = ?').pluck()
  const insert = db.prepare('INSERT INTO slots (location, slot, signature, modified) VALUES (?, ?, ?, ?)')
  const update = db.prepare(
    'UPDATE slots SET signature = ?, modified = ?, leaves = ? WHERE location = ? AND slot = ?',
  )
  const remove = db.prepare('DELETE FROM slots WHERE location = ? AND slot = ?')
  const vacate = db.prepare('UPDATE locations SET vacated = max(vacated, ?) WHERE id = ?')
  const touch = db.prepare(
    `UPDATE locations SET version = 1 + (SELECT max(version) FROM locations), changed = ${later} WHERE id = @location`,
  )
  const touchPlace = db.prepare(
    `UPDATE places SET changed = ${later} WHERE id = (SELECT place FROM locations WHERE id = @location)`,
  )
  const due = db
    .prepare(
      `SELECT DISTINCT location FROM (
         SELECT location FROM slots INDEXED BY slots_by_leaving WHERE leaves <= @seconds
         UNION ALL
         SELECT location FROM slots INDEXED BY slots_by_leaving WHERE leaves > @seconds + ${longestGraceSeconds}
       ) LIMIT @limit`,
    )
    .pluck()

  const touchLocation = (location: number, seconds: number) => {
    touch.run({ seconds, location })
    touchPlace.run({ seconds, location })
  }

  const timeAfter = (modified: number, { time, mayWait }: Moment): number => {
    const seconds = Math.floor(time / 1000)
    if (modified < seconds) return seconds
    const wait = (modified + 1) * 1000 - time
    if (mayWait && wait <= 1000) throw new NextSecond(wait)
    return modified + 1
  }

  /** Writes what has become of the slots of a location; those that are not there any more were the last ones. */
  const write = (location: number, before: readonly SlotRow[], after: readonly SlotRow[], moment: Moment) => {
    for (const [index, was] of before.entries()) {
      const is = after[index]
      if (!is) {
        remove.run(location, was.slot)
        vacate.run(was.modified, location)
      } else if (is.signature !== was.signature)
        update.run(is.signature, timeAfter(was.modified, moment), is.leaves, location, was.slot)
      else if (is.leaves !== was.leaves)
        update.run(was.signature, was.modified, is.leaves, location, was.slot)
    }
    touchLocation(location, Math.floor(moment.time / 1000))
  }

  const copyOf = (before: readonly SlotRow[]) => before.map((row) => ({ ...row }))

  return {
    /** Gives a signature the slot after the last one, also after those that are only there for readers under way. */
    add(location: number, signature: number, moment: Moment): void {
      const modified = timeAfter(vacated.get(location) as number, moment)
      insert.run(location, (top.get(location) as number) + 1, signature, modified)
      touchLocation(location, Math.floor(moment.time / 1000))
    },

    /** Puts another signature in the place of one. */
    replace(location: number, from: number, to: number, moment: Moment): void {
      const before = rows.all(location) as SlotRow[]
      const after = before.map((row) => (row.signature === from ? { ...row, signature: to } : row))
      write(location, before, after, moment)
    },

    /**
     * Takes signatures away at once. The last live one goes into each hole and stays where it was too, until `leaves`:
     * who has read beyond the hole finds it there.
     * @param twinOf what takes the slot of a signature in its stead; null: nothing
     */
    takeAway(
      location: number,
      gone: ReadonlySet<number>,
      leaves: number,
      moment: Moment,
      twinOf: (signature: number) => number | null,
    ): void {
      const before = rows.all(location) as SlotRow[]
      const after = copyOf(before)
      for (const row of after)
        if (gone.has(row.signature) && row.leaves === null)
          row.signature = twinOf(row.signature) ?? row.signature
      for (const [index, hole] of after.entries()) {
        if (!gone.has(hole.signature)) continue
        const above = after.slice(index + 1).filter(({ signature }) => !gone.has(signature))
        const last = above.findLast((row) => row.leaves === null)
        if (last) {
          hole.signature = last.signature
          hole.leaves = null
          last.leaves = leaves
        } else if (above[0]) {
          hole.signature = above[0].signature
          hole.leaves = Math.max(leaves, above[0].leaves as number)
        } else {
          after.length = index
          break
        }
      }
      write(location, before, after, moment)
    },

    /** Locations with slots that have had their grace, or were given it by a clock that was ahead. */
    due: (seconds: number, limit: number) => due.all({ seconds, limit }) as number[],

    /** Ends the grace of slots that have had it; begins it anew where the clock was set back since. Those that are not the last get what the last live ones have. */
    endGrace(location: number, graceSeconds: number, moment: Moment): void {
      const seconds = Math.floor(moment.time / 1000)
      const before = rows.all(location) as SlotRow[]
      const after = copyOf(before)
      for (const row of after)
        if (row.leaves !== null && row.leaves > seconds + longestGraceSeconds)
          row.leaves = seconds + graceSeconds
      const isOver = ({ leaves }: SlotRow) => leaves !== null && leaves <= seconds
      while (after.length && isOver(after.at(-1) as SlotRow)) after.pop()
      for (const [index, over] of after.entries()) {
        if (!isOver(over)) continue
        const last = after.findLast((row, at) => at > index && row.leaves === null)
        if (last) {
          over.signature = last.signature
          over.leaves = null
          last.leaves = seconds + graceSeconds
        }
        // It waits for those behind it.
        else over.leaves = after.at(-1)?.leaves ?? null
      }
      write(location, before, after, moment)
    },
  }
}

export type Slots = ReturnType<typeof prepareSlots>
