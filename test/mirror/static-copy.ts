import { createHash } from 'node:crypto'
import { admission } from '../../src/admission/admit.ts'
import { newTrail } from '../../src/admission/trail.ts'
import { destination } from '../../src/mirror/destination.ts'
import { newFetch } from '../../src/mirror/fetch.ts'
import { openNotes } from '../../src/mirror/notes.ts'
import type { Destination, Fetch, Source } from '../../src/mirror/source.ts'
import { type MirrorStatus, newStatus, statusKeeper } from '../../src/mirror/status.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { loadOperatorTrust, noTrust } from '../../src/trust/operator.ts'
import { temporaryFolder } from '../temporary.ts'

/** A data folder that copies one source, of whatever kind, a round at a time. */
export interface StaticCopy {
  /** Reads from the source, as a mirror does. */
  fetch: Fetch
  storage: Storage
  /** The name of the source here. */
  source: string
  /** What is copied to, and the pace at which that would be. */
  target: Destination
  /** One round. */
  copy(source: Source, signal?: AbortSignal, to?: Destination): Promise<void>
  /** SHA-256 of what is live, by slot paths without the number; each list sorted, as the order is that of arrival. */
  held(): Promise<Record<string, string[]>>
  status(): MirrorStatus
}

export async function newStaticCopy(
  from: string,
  { policy, clock = Date.now }: { policy?: string; clock?: () => number } = {},
): Promise<StaticCopy> {
  const closing: (() => Promise<void>)[] = []
  const dataFolder = temporaryFolder(async () => {
    for (const close of closing) await close()
  })
  const storage = openSqlite({ dataFolder, clock })
  const { fetch, close } = newFetch({ from, ca: [], token: null, userAgent: 'lookaside/test' })
  closing.push(close, () => storage.close())
  const { uploads } = policy === undefined ? noTrust : await loadOperatorTrust({ policy, gates: {} })
  const admit = admission(storage, { digestViews: [], sigstoreJson: false }, () => ({ ...noTrust, uploads }))
  const mirror = { from, prefix: '' as const }
  const source = `mirror:${from}`
  const notes = await openNotes(storage, source, clock)
  const status = statusKeeper(storage, source, newStatus(from, ''))
  closing.unshift(() => status.close())
  const trail = newTrail({ write: storage.record, clock })
  closing.unshift(() => trail.close())
  const target = destination({ storage, admit, mirror, notes, status, trail, graceSeconds: 0, clock })
  return {
    fetch,
    storage,
    source,
    target,
    status: status.current,
    async copy(source, signal = new AbortController().signal, to = target) {
      if (source.kind !== notes.kind) await notes.set({ kind: source.kind })
      await source.copy(to, { follow: false, signal })
    },
    async held() {
      const held: Record<string, string[]> = {}
      for (const { location } of await storage.locations(0, 100_000)) {
        const slots = await storage.slots(location)
        const live = slots.filter(({ leaves }) => leaves === null).map(({ sha256 }) => sha256)
        if (live.length > 0) held[formatLocation(location)] = live.sort()
      }
      return held
    },
  }
}

/** What is in a tree of blobs by slot path, in the form of `held`. */
export function heldIn(tree: ReadonlyMap<string, Uint8Array>): Record<string, string[]> {
  const byLocation = Map.groupBy(tree, ([path]) => path.slice(0, path.lastIndexOf('/')))
  return Object.fromEntries(
    [...byLocation].map(([location, slots]) => [location, slots.map(([, blob]) => sha256(blob)).sort()]),
  )
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
