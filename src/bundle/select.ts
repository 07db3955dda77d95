import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import { formatLocation } from '../reference/tree-path.ts'
import type { AddedSignature, ChangeKind, Position, Storage } from '../storage/storage.ts'
import type { Scope } from './head.ts'
import { type GoneKind, goneKinds } from './lines.ts'
import { newTrail } from './trail.ts'

/** A digest at a repository. */
export interface Subject {
  repository: Repository
  digest: Digest
}

/** What a bundle is to have: all, what became of the signatures that changes after one are about, or some digests. */
export type Wanted =
  | { scope: 'whole' }
  | { scope: 'since'; since: number }
  | { scope: 'images'; subjects: readonly Subject[] }

/** What the log says at a position, of each signature that the bundle is about. */
export interface Selection {
  scope: Scope
  from: Position
  to: Position
  /** See `newTrail`. */
  trail: string
  /** Numbers of the signatures that are served, in their order. */
  served(): Iterable<number>
  /** The same of those that are not any more. */
  gone(): Iterable<number>
  kindOf(gone: number): GoneKind
}

type Log = Pick<Storage, 'head' | 'position' | 'changesAfter' | 'list' | 'added'>

const page = 500

/** No signature of that number is in the bundle; else the place of its last change in `kinds`, counted from 1. */
const none = 0
const kinds = ['added', 'reinstated', ...goneKinds] as const satisfies readonly ChangeKind[]
const served = 2

/**
 * Reads the log up to where it is now: what happens meanwhile is for the next bundle. It takes an octet of memory for each
 * change.
 * @param since at most the last change
 */
export async function select(storage: Log, wanted: Wanted): Promise<Selection> {
  const from = await positionOf(storage, wanted.scope === 'since' ? wanted.since : 0)
  const to = await storage.head()
  const trail = newTrail({ scope: wanted.scope, from, to })
  const isWanted = subjectTest(wanted)
  // A signature has the number of the change that added it.
  const last = new Uint8Array(to.seq + 1)
  for (let after = from.seq; after < to.seq; ) {
    const changes = await storage.changesAfter(after, page)
    after = changes.at(-1)?.seq ?? to.seq
    for (const { seq, hash, kind, signature, repository, digest } of changes) {
      trail.add({ seq, hash })
      if (seq > to.seq || !isWanted({ repository, digest })) continue
      last[signature] = kinds.indexOf(kind) + 1
    }
  }
  const ids = function* (test: (kind: number) => boolean): Generator<number> {
    for (const [id, kind] of last.entries()) if (kind !== none && test(kind)) yield id
  }
  const servedIds = () => ids((kind) => kind <= served)
  const goneIds = () => ids((kind) => kind > served)

  // Of what is gone, another copy may be served.
  if (wanted.scope === 'whole') for (const id of goneIds()) last[id] = none
  else
    for await (const row of rowsOf(storage, goneIds())) if (await isServed(storage, row)) last[row.id] = none

  return {
    scope: wanted.scope,
    from,
    to,
    trail: trail.toString(),
    served: servedIds,
    gone: goneIds,
    kindOf: (id) => kinds[(last[id] as number) - 1] as GoneKind,
  }
}

/** @throws RangeError where the log does not reach it */
async function positionOf(storage: Log, seq: number): Promise<Position> {
  const position = await storage.position(seq)
  if (position) return position
  throw new RangeError(`the log does not reach change ${seq}`)
}

function subjectTest(wanted: Wanted): (subject: Subject) => boolean {
  if (wanted.scope !== 'images') return () => true
  const subjects = new Set(wanted.subjects.map(nameOf))
  return (subject) => subjects.has(nameOf(subject))
}

function nameOf({ repository: name, digest }: Subject): string {
  return formatLocation({ kind: 'repository', name, digest })
}

async function isServed(storage: Log, { repository, digest, identity }: AddedSignature): Promise<boolean> {
  for (let after: number | null = 0; after !== null; ) {
    const found = await storage.list({ repository, digest, after, limit: page })
    if (found.signatures.some((signature) => signature.identity === identity)) return true
    after = found.next
  }
  return false
}

/** The rows of these numbers, which are in their order; a row never changes. */
export async function* rowsOf(
  storage: Pick<Storage, 'added'>,
  ids: Iterable<number>,
): AsyncGenerator<AddedSignature> {
  let wanted = new Set<number>()
  const read = async function* () {
    const [first = 0] = wanted
    const last = Math.max(...wanted)
    // Between the first and the last there are no more rows than numbers.
    for (const row of await storage.added(first - 1, last - first + 1)) if (wanted.has(row.id)) yield row
    wanted = new Set()
  }
  for (const id of ids) {
    const [first = id] = wanted
    if (id - first >= span) yield* read()
    wanted.add(id)
  }
  if (wanted.size) yield* read()
}

/** How many numbers are looked through at once; the blobs of as many are in memory. */
const span = 64
