import { networkOf } from '../net/network-of.ts'
import { type AuditEntry, type AuditTrail, fitting } from '../storage/audit.ts'

/**
 * What changes nothing, on its way to the audit trail: refusals, and signatures that were there already. Nobody waits for
 * it, and it is bounded in memory and in rows. The first of its kind is written at once; what equals it in the same minute
 * becomes one row with a count. Who is refused for too many different things is counted by code alone, and what is more
 * than a minute has room for, in all: that nobody can fill the trail, or push out of it what others did.
 */
export interface Trail {
  note(entry: AuditEntry): void
  /** Writes what is still counted, and takes no more. */
  close(): Promise<void>
}

const windowMilliseconds = 60_000

/** What one actor, or one address without a known actor, may have recorded in detail a minute. */
const maxDetailed = 50

/** Rows a minute, and as many again with the counts: of known actors, and of all others together. */
const maxGroups = { known: 2000, strangers: 500 }

/** What waits for a disk that is slow, or for a thread that starts. */
const maxWaiting = 2 * (maxGroups.known + maxGroups.strangers)

type Kind = keyof typeof maxGroups

interface Group {
  entry: AuditEntry
  /** Besides the first. */
  more: number
  since: number
}

export function newTrail({
  write,
  clock = Date.now,
}: {
  write: AuditTrail['record']
  clock?: () => number
}): Trail {
  let groups = new Map<string, Group>()
  let detailed = new Map<string, number>()
  const sizes = { known: 0, strangers: 0 }
  const leftOut = { known: 0, strangers: 0 }
  let waiting: AuditEntry[] = []
  let writing: Promise<void> | null = null
  let planned = false
  let turn: NodeJS.Timeout | undefined

  const leaveOut = (entries: readonly AuditEntry[]) => {
    for (const entry of entries) leftOut[kindOf(entry)] += entry.count ?? 1
  }

  const flush = () => {
    planned = false
    if (writing || !waiting.length) return
    const batch = waiting
    waiting = []
    writing = write(batch)
      // Such as where the disk is full: that so many are missing is said when there is room again.
      .catch(() => leaveOut(batch))
      .finally(() => {
        writing = null
        flush()
      })
  }

  const push = (entry: AuditEntry) => {
    if (waiting.length >= maxWaiting) return leaveOut([entry])
    waiting.push(entry)
    if (planned) return
    planned = true
    setImmediate(flush)
  }

  const begin = (key: string, entry: AuditEntry) => {
    groups.set(key, { entry, more: 0, since: clock() })
    sizes[kindOf(entry)]++
    push(entry)
    turn ??= setTimeout(endWindow, windowMilliseconds).unref()
  }

  /** The counts of this minute; the next begins. */
  const endWindow = () => {
    clearTimeout(turn)
    turn = undefined
    for (const { entry, more, since } of groups.values()) if (more > 0) push({ ...entry, count: more, since })
    groups = new Map()
    detailed = new Map()
    for (const kind of ['known', 'strangers'] as const) {
      sizes[kind] = 0
      const count = leftOut[kind]
      leftOut[kind] = 0
      if (count > 0)
        push({ event: 'left-out', actor: kind === 'known' ? 'various' : null, origin: null, count })
    }
  }

  return {
    note(given) {
      const entry = fitting(given)
      const { event, actor, origin, code, repository, digest, signature } = entry
      const kind = kindOf(entry)
      const who = actor ?? networkOf(origin?.address ?? '')
      const exact = keyOf(who, event, code, origin?.door, origin?.address, repository, digest, signature)
      const coarse = keyOf(who, event, code)
      const known = groups.get(exact) ?? null
      if (known) {
        known.more++
        return
      }
      const has = detailed.get(who) ?? 0
      const isFull = sizes[kind] >= maxGroups[kind]
      if (has < maxDetailed && !isFull) {
        detailed.set(who, has + 1)
        begin(exact, entry)
        return
      }
      const rest = groups.get(coarse)
      if (rest) rest.more++
      else if (!isFull) begin(coarse, entry)
      else {
        leftOut[kind]++
        turn ??= setTimeout(endWindow, windowMilliseconds).unref()
      }
    },

    async close() {
      endWindow()
      flush()
      while (writing) await writing
    },
  }
}

function kindOf({ actor }: AuditEntry): Kind {
  return actor === null ? 'strangers' : 'known'
}

const keyOf = (...parts: (string | number | null | undefined)[]) => JSON.stringify(parts)
