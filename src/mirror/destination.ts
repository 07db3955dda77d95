import { createHash } from 'node:crypto'
import { type Principal, parseScope } from '../access/principal.ts'
import type { Admit } from '../admission/admit.ts'
import type { MirrorConfig } from '../config/config.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { SourceKey, Sources } from '../storage/sources.ts'
import type { Reading } from '../storage/storage.ts'
import type { MirrorNotes } from './notes.ts'
import { newPace } from './pace.ts'
import type { At, Destination } from './source.ts'
import type { StatusKeeper } from './status.ts'
import { HeldBack, oneLine } from './trouble.ts'

export type MirrorPlace = Pick<MirrorConfig, 'from' | 'prefix'>

export interface DestinationOptions {
  storage: Sources & Pick<Reading, 'epoch'>
  admit: Admit
  mirror: MirrorPlace
  notes: MirrorNotes
  status: StatusKeeper
  graceSeconds: number
  clock: () => number
}

/** Fewer than these may go at once, whatever share of all they are. */
const fewSignatures = 10

/** What goes is counted up to here; more at once is held back in any case. */
const maxCounted = 100_000

const retractedAtOnce = 256
const refusalsKept = 5
const whereLength = 400

/** The name of a mirror among the sources of a data folder. */
export function sourceName({ from, prefix }: { from: string; prefix: string }): string {
  return prefix === '' ? actorOf(from) : `${actorOf(from)} ${prefix}`
}

/** Of several processes on a data folder, the one that holds it runs that mirror. */
export function leaseName(source: string): string {
  return `mirror-${createHash('sha256').update(source).digest('hex').slice(0, 32)}`
}

/** As the log shows it. */
function actorOf(from: string): string {
  return `mirror:${from}`
}

/** Where a source fills this data folder: through admission, and nowhere but below its prefix. */
export function destination(options: DestinationOptions): Destination {
  const { storage, admit, mirror, notes, status: keeper, graceSeconds } = options
  const { from, prefix } = mirror
  const source = sourceName(mirror)
  const actor = actorOf(from)
  const principal = principalOf(mirror)
  const why = { actor, reason: 'the source has it no more', graceSeconds }
  /** What the source had contributed when the round began. */
  let before = 0

  const here = (repository: Repository): Repository =>
    prefix === '' ? repository : parseRepository(`${prefix}/${repository}`)
  const there = (key: SourceKey): SourceKey =>
    prefix === '' ? key : { ...key, repository: key.repository.slice(prefix.length + 1) as Repository }
  /** Those whose name is too long with the prefix are nowhere here. */
  const allHere = (
    keys: readonly SourceKey[],
    onNone = (_key: SourceKey, _why: Refusal) => {},
  ): SourceKey[] =>
    keys.flatMap((key) => {
      try {
        return [{ ...key, repository: here(key.repository) }]
      } catch (error) {
        onNone(key, error as Refusal)
        return []
      }
    })

  const refuse = (where: string, why: Refusal) => {
    const { refused, refusals } = keeper.current()
    const { code } = why
    const refusal = { where: where.slice(0, whereLength), code, detail: oneLine(why) }
    keeper.update({
      refused: { ...refused, [code]: (refused[code] ?? 0) + 1 },
      refusals: [...refusals, refusal].slice(-refusalsKept),
    })
  }

  const retractAll = async (keys: readonly SourceKey[]): Promise<number> => {
    let all = 0
    for (let at = 0; at < keys.length; at += retractedAtOnce) {
      const removed = await storage.retract(source, keys.slice(at, at + retractedAtOnce), why)
      if (removed) keeper.update({ removed: keeper.current().removed + removed })
      all += removed
    }
    return all
  }

  const admitOne = async ({ repository, digest, sha256, identity }: At, bytes: Uint8Array) => {
    if (sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw new Refusal('source-mismatch', `Its bytes are not those that the source names, ${sha256}`)
    return admit({
      bytes,
      principal,
      actor,
      repository: here(repository),
      digest,
      ...(identity !== undefined && { identity }),
      source: { name: source, round: notes.round },
    })
  }

  return {
    async take(at, bytes) {
      try {
        const { outcome, returned, identity } = await admitOne(at, bytes)
        keeper.update({ [outcome]: keeper.current()[outcome] + 1 })
        return { outcome, returned, identity }
      } catch (error) {
        if (!(error instanceof Refusal) || error.code === 'busy' || error.code === 'disk-full') throw error
        refuse(`${at.repository}@${at.digest}`, error)
        return { outcome: 'refused', returned: false, identity: identityOf(bytes) }
      }
    },

    refuse,

    async confirm(keys) {
      const places = allHere(keys, ({ repository, digest }, why) => refuse(`${repository}@${digest}`, why))
      const unknown = await storage.confirm(source, places, notes.round)
      const missing = new Set(unknown.map((key) => textOf(there(key))))
      return keys.filter((key) => missing.has(textOf(key)))
    },

    retract: (keys) => retractAll(allHere(keys)),

    async beginRound() {
      before = await storage.contributed(source, 2 * maxCounted)
      await notes.set({ round: notes.round + 1 })
    },

    async endRound() {
      await requireLikely()
      for (;;) {
        const keys = await storage.unconfirmed(source, notes.round, retractedAtOnce)
        if (!keys.length) break
        await retractAll(keys)
        const [first] = await storage.unconfirmed(source, notes.round, 1)
        if (first && textOf(first) === textOf(keys[0] as SourceKey))
          throw new Error(`${textOf(first)} cannot be taken away`)
      }
      if (notes.held !== null) await notes.set({ held: null, missing: 0 })
    },

    epoch: () => storage.epoch(),
    contributed: (limit) => storage.contributed(source, limit),

    state: async () => notes.own,
    setState: (own) => notes.set({ own }),

    async page(path) {
      const seen = await storage.sourcePage(source, pageOf(path))
      return seen === null ? null : JSON.parse(seen)
    },
    setPages: (pages) =>
      storage.setSourcePages(
        source,
        pages.map(({ path, seen }) => ({
          path: pageOf(path),
          seen: seen === null ? null : JSON.stringify(seen),
        })),
      ),
    async pages(after, limit) {
      const pages = await storage.sourcePages(source, pageOf(after), limit)
      return pages.map(({ path, seen }) => ({ path: path.slice(1), seen: JSON.parse(seen) }))
    },

    pace: newPace(),

    report({ lagChanges, lastChange }) {
      keeper.update({
        ...(lagChanges !== undefined && { lagChanges }),
        ...(lastChange !== undefined && { lastChange }),
      })
    },
  }

  /**
   * A source that was emptied, by whoever, or shows less than it has, must not empty this one. Where it seems to have
   * lost more than it has left, a person has to say so, after it was seen.
   */
  async function requireLikely(): Promise<void> {
    const missing = (await storage.unconfirmed(source, notes.round, maxCounted)).length
    if (!missing) return
    // Of many, what came in since they are missing is no sign that they are still there.
    const known = notes.held === null ? before : Math.min(before, notes.before)
    const all = known >= fewSignatures ? known : await storage.contributed(source, 2 * missing)
    const seen = Math.max(0, all - missing)
    if (missing < maxCounted && seen > 0 && (seen >= missing || all < fewSignatures)) return
    if (missing <= notes.missing && (await notes.isAccepted())) return
    // Who has accepted that some may go has not seen that it is more now.
    const isMore = notes.held === null || missing > notes.missing
    if (isMore) await notes.set({ held: options.clock(), missing, before: known })
    throw new HeldBack({ missing, seen })
  }
}

/** Everything below the prefix, whatever the claims name, and nothing else. */
function principalOf({ from, prefix }: MirrorPlace): Principal {
  const pattern = prefix === '' ? '**' : `${prefix}/**`
  return { name: actorOf(from), scopes: [parseScope(`push:${pattern}`), parseScope(`relocate:${pattern}`)] }
}

function identityOf(bytes: Uint8Array): string | null {
  try {
    return readSignature(bytes, { sigstoreJson: true }).identity
  } catch {
    return null
  }
}

function textOf({ repository, digest, identity }: SourceKey): string {
  return `${repository}@${digest} ${identity}`
}

/** The other pages are notes of the mirror itself. */
function pageOf(path: string): string {
  return `/${path}`
}
