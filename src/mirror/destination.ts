import { createHash } from 'node:crypto'
import { type Principal, parseScope } from '../access/principal.ts'
import type { Admit } from '../admission/admit.ts'
import { isOfOneSignature, newContribution } from '../admission/contribution.ts'
import type { Trail } from '../admission/trail.ts'
import type { MirrorConfig } from '../config/config.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { Origin } from '../storage/audit.ts'
import type { Sources } from '../storage/sources.ts'
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
  /** Hears of what is refused. */
  trail: Trail
  graceSeconds: number
  clock: () => number
}

const origin: Origin = { door: 'mirror', address: null, request: null }

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
  const { storage, admit, mirror, notes, status: keeper, trail, graceSeconds } = options
  const { from, prefix } = mirror
  const source = sourceName(mirror)
  const actor = actorOf(from)
  const principal = principalOf(mirror)
  const contribution = newContribution({
    storage,
    source,
    prefix,
    why: { actor, reason: 'the source has it no more', graceSeconds, origin },
    onRemoved: (count) => keeper.update({ removed: keeper.current().removed + count }),
  })
  /** What the source had contributed when the round began. */
  let before = 0

  const refuse = (where: string, why: Refusal) => {
    const { refused, refusals } = keeper.current()
    const { code } = why
    const detail = `${where}: ${oneLine(why)}`
    trail.note({ ...why.about, event: 'refused', actor, origin, code, detail })
    const refusal = { where: where.slice(0, whereLength), code, detail: oneLine(why) }
    keeper.update({
      refused: { ...refused, [code]: (refused[code] ?? 0) + 1 },
      refusals: [...refusals, refusal].slice(-refusalsKept),
    })
  }

  const admitOne = async ({ repository, digest, sha256, identity }: At, bytes: Uint8Array) => {
    if (sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw new Refusal('source-mismatch', `Its bytes are not those that the source names, ${sha256}`)
    return admit({
      bytes,
      principal,
      actor,
      origin,
      repository: contribution.here(repository),
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
        if (!isOfOneSignature(error)) throw error
        refuse(`${at.repository}@${at.digest}`, error)
        return { outcome: 'refused', returned: false, identity: identityOf(bytes) }
      }
    },

    refuse,

    async confirm(keys) {
      const { others } = await contribution.confirm(keys, notes.round, ({ repository, digest }, why) =>
        refuse(`${repository}@${digest}`, why),
      )
      return others
    },

    retract: (keys) => contribution.retract(keys),

    async beginRound() {
      before = await contribution.size()
      await notes.set({ round: notes.round + 1 })
    },

    async endRound() {
      await requireLikely()
      await contribution.retractMissing(notes.round)
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

  /** What is no likely loss waits until a person who has seen it says that it is right. */
  async function requireLikely(): Promise<void> {
    const missing = await contribution.missing(notes.round)
    // Of many, what came in since they are missing is no sign that they are still there.
    const known = notes.held === null ? before : Math.min(before, notes.before)
    const { left, isLikely } = await contribution.weigh(missing, known)
    if (isLikely) return
    if (missing <= notes.missing && (await notes.isAccepted())) return
    // Who has accepted that some may go has not seen that it is more now.
    const isMore = notes.held === null || missing > notes.missing
    if (isMore) await notes.set({ held: options.clock(), missing, before: known })
    throw new HeldBack({ missing, seen: left })
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

/** The other pages are notes of the mirror itself. */
function pageOf(path: string): string {
  return `/${path}`
}
