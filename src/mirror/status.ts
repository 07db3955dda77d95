import type { RefusalCode } from '../refusal.ts'
import type { Sources } from '../storage/sources.ts'
import type { Source } from './source.ts'

/** What a mirror tells of itself; it is stored, so that every process can show it. Times in Unix milliseconds. */
export interface MirrorStatus {
  from: string
  prefix: string
  /** Null until the source has answered. */
  kind: Source['kind'] | null
  /** `held`: the source seems to have lost most of what it had, and nothing is taken away until that is confirmed. */
  state: 'starting' | 'copying' | 'current' | 'failing' | 'held'
  /** Changes of the source that are still to come; null: not known, or it has no log. */
  lagChanges: number | null
  /** The time of the last change of the source that is here. */
  lastChange: number | null
  /** When it last answered. */
  lastContact: number | null
  /** When all that it has was last known to be here. */
  lastCurrent: number | null
  /** By when it is asked again. */
  nextContact: number | null
  /** One line. */
  lastError: string | null
  /** Since the process began that runs the mirror. */
  added: number
  present: number
  removed: number
  refused: Partial<Record<RefusalCode, number>>
  /** The last of them. */
  refusals: { where: string; code: RefusalCode; detail: string }[]
}

export function newStatus(from: string, prefix: string): MirrorStatus {
  return {
    from,
    prefix,
    kind: null,
    state: 'starting',
    lagChanges: null,
    lastChange: null,
    lastContact: null,
    lastCurrent: null,
    nextContact: null,
    lastError: null,
    added: 0,
    present: 0,
    removed: 0,
    refused: {},
    refusals: [],
  }
}

/** How much later than announced a source may be asked, on a busy machine. */
const lateMilliseconds = 15_000

/**
 * How old the copy is: 0 while it is known to be complete; null where it never was and nothing is known. It grows where
 * the process that ran the mirror has died, too.
 */
export function lagSeconds(status: MirrorStatus, now: number): number | null {
  const { state, nextContact, lastCurrent, lastChange } = status
  if (state === 'current' && nextContact !== null && now <= nextContact + lateMilliseconds) return 0
  const asOf = lastCurrent ?? lastChange
  return asOf === null ? null : Math.max(0, Math.round((now - asOf) / 1000))
}

/** The status of every mirror of a data folder, whichever process runs it. */
export async function mirrorStatuses(storage: Pick<Sources, 'sources'>): Promise<MirrorStatus[]> {
  const sources = await storage.sources()
  return sources
    .filter(({ name, status }) => name.startsWith('mirror:') && status !== null)
    .map(({ status }) => JSON.parse(status as string) as MirrorStatus)
}

const writeMilliseconds = 1000

export interface StatusKeeper {
  current(): MirrorStatus
  /** Stored soon, at most once a second. */
  update(news: Partial<MirrorStatus>): void
  /** Stores what is not stored yet, and nothing more afterwards. */
  close(): Promise<void>
}

export function statusKeeper(
  storage: Pick<Sources, 'setSourceStatus'>,
  source: string,
  start: MirrorStatus,
): StatusKeeper {
  let status = start
  let timer: NodeJS.Timeout | null = null
  let writing = Promise.resolve()
  let writtenAt = Number.NEGATIVE_INFINITY
  let closed = false
  let due = false

  const write = () => {
    timer = null
    due = false
    writtenAt = performance.now()
    // One that cannot be written is no reason to stop: the next one is written again.
    writing = writing.then(() => storage.setSourceStatus(source, JSON.stringify(status))).catch(() => {})
  }

  return {
    current: () => status,
    update(news) {
      status = { ...status, ...news }
      due = true
      if (closed || timer) return
      timer = setTimeout(write, Math.max(0, writtenAt + writeMilliseconds - performance.now()))
    },
    async close() {
      closed = true
      if (timer) clearTimeout(timer)
      if (due) write()
      await writing
    },
  }
}
