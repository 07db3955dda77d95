import type { Sources } from '../storage/sources.ts'
import type { Source } from './source.ts'
import { SourceTrouble } from './trouble.ts'

interface Stored {
  kind: Source['kind'] | null
  round: number
  held: number | null
  missing: number
  before: number
  own: Partial<Record<Source['kind'], unknown>>
}

/** What a mirror remembers of itself in the data folder. Whoever writes holds the lease of the mirror. */
export interface MirrorNotes {
  kind: Source['kind'] | null
  round: number
  /** Since when things are held back, Unix milliseconds. */
  held: number | null
  /** How many were missing then. */
  missing: number
  /** How many the source had contributed when that began. */
  before: number
  /** Of the kind of source that it has now. */
  own: unknown
  set(
    news: Partial<Pick<MirrorNotes, 'kind' | 'round' | 'held' | 'missing' | 'before' | 'own'>>,
  ): Promise<void>
  /** Whether a person has said, since it is held back, that the source may take away what it has no more. */
  isAccepted(): Promise<boolean>
}

/** Among the pages of a source, which all begin with a slash. */
const acceptedPage = '!removals'

/** An answer to what was held back long ago is none to what is held back now. */
const acceptedMilliseconds = 24 * 3600 * 1000

/**
 * Says that what the source seems to have lost may go here too, when it looks that way again. Any process may say so.
 * @returns whether something is held back
 */
export async function acceptRemovals(
  storage: Pick<Sources, 'sourceState' | 'setSourcePages'>,
  source: string,
  now: number,
): Promise<boolean> {
  const state = await storage.sourceState(source)
  if (!state || (JSON.parse(state) as Stored).held === null) return false
  await storage.setSourcePages(source, [{ path: acceptedPage, seen: JSON.stringify(now) }])
  return true
}

const nothing: Stored = { kind: null, round: 1, held: null, missing: 0, before: 0, own: {} }

export async function openNotes(
  storage: Pick<Sources, 'sourceState' | 'setSourceState' | 'sourcePage' | 'setSourcePages'>,
  source: string,
  clock: () => number,
): Promise<MirrorNotes> {
  const text = await storage.sourceState(source)
  const stored: Stored = { ...nothing, ...(text !== null && JSON.parse(text)) }

  const own = () => (stored.kind === null ? null : (stored.own[stored.kind] ?? null))

  return {
    get kind() {
      return stored.kind
    },
    get round() {
      return stored.round
    },
    get held() {
      return stored.held
    },
    get missing() {
      return stored.missing
    },
    get before() {
      return stored.before
    },
    get own() {
      return own()
    },

    async set(news) {
      const { own, ...rest } = news
      // How far another kind has come says nothing once something else was copied.
      if (rest.kind !== undefined && rest.kind !== stored.kind) stored.own = {}
      Object.assign(stored, rest)
      if (own !== undefined && stored.kind === null)
        throw new SourceTrouble('the kind of the source is not known')
      if (own !== undefined && stored.kind !== null) stored.own = { ...stored.own, [stored.kind]: own }
      if (news.held === null) await storage.setSourcePages(source, [{ path: acceptedPage, seen: null }])
      await storage.setSourceState(source, JSON.stringify(stored))
    },

    async isAccepted() {
      const seen = stored.held === null ? null : await storage.sourcePage(source, acceptedPage)
      const at = seen === null ? 0 : Number(JSON.parse(seen))
      return stored.held !== null && at >= stored.held && at >= clock() - acceptedMilliseconds
    },
  }
}
