import { nameOf } from '../admission/contribution.ts'
import { formatLocation, type Location, maxSlot, parseLocation } from '../reference/tree-path.ts'
import { isLongRefused, keysOf, type Reading, readSlots, type SeenSlot } from './slots.ts'
import { SourceTrouble } from './trouble.ts'
import { workThrough } from './work-through.ts'

/** One look through all that a static source has. What cannot be read of it never looks gone. */
export interface Round {
  /** The locations that have slots, and what else was come across. */
  visited: ReadonlySet<string>
  /**
   * Comes across a location. `shown` says what its listing shows of its slots, the first one first; null: there is no
   * listing.
   * @returns how many slots it has; fewer than are shown: it changes at this moment
   */
  visit(location: Location, shown: readonly string[] | null): Promise<number>
  /**
   * Does a part of the work, named for the person who reads that it failed. Where the source cannot be read, the other
   * parts are done nevertheless, unless it asks for a rest or fails often.
   * @throws SourceTrouble when it does
   */
  part(name: string, work: () => Promise<void>): Promise<void>
  /** Something else that would have to be known cannot be: nothing is taken away in this round. */
  spoil(trouble: SourceTrouble): void
  /** What was noted beside the locations, by a text that is none. What is asked for in a round is kept for the next. */
  noted(path: string): Promise<unknown>
  note(path: string, seen: unknown): Promise<void>
  /**
   * Takes away what was not come across.
   * @param isGone whether that is so of a location of which something is noted: a listing may leave one out
   * @throws SourceTrouble where a part could not be read: nothing is taken away
   */
  end(isGone: (location: Location) => Promise<boolean>): Promise<void>
}

/** What is worked on at once: as many as `Fetch` has under way, and some that are admitted meanwhile. */
export const concurrency = 8

/** What is noted of a location, in this form. */
interface Note {
  form: 1
  shown: readonly string[] | null
  slots: SeenSlot[]
  /** When they were last as they are noted, by the clock of the source, Unix milliseconds. */
  asked: number
}

/** What the destination is told, or asked, at once. */
const batchSize = 256

/** A source that fails so often in a round is left alone until the next one. */
const maxTroubles = 20

/** Listings often show whole minutes. */
const settledMilliseconds = 120_000

/** However settled it looks, a location is asked for its slots so often. */
const askedAgainMilliseconds = 24 * 3600 * 1000

const timeOfDay = /\d:\d\d/

export async function beginRound(reading: Reading): Promise<Round> {
  const { destination, signal, clock } = reading
  const visited = new Set<string>()
  const troubles = { first: null as SourceTrouble | null, count: 0, ofSource: 0 }
  let notes: { path: string; seen: unknown }[] = []
  let unchanged: { location: Location; slots: readonly SeenSlot[] }[] = []
  await destination.beginRound()

  const note: Round['note'] = async (path, seen) => {
    notes.push({ path, seen })
    if (notes.length >= batchSize) await writeNotes()
  }

  const writeNotes = async () => {
    const written = notes
    notes = []
    if (written.length > 0) await destination.setPages(written)
  }

  const noteSlots = (location: Location, seen: Omit<Note, 'form'>) =>
    note(formatLocation(location), { form: 1, ...seen } satisfies Note)

  const confirm = async (location: Location, slots: readonly SeenSlot[]) => {
    if (slots.length > 0) unchanged.push({ location, slots })
    if (unchanged.length >= batchSize) await confirmAll()
  }

  /** What is unchanged at the source is not always here: it may have gone, or never have come to this data folder. */
  const confirmAll = async () => {
    const places = new Map<string, Location>()
    const keys = unchanged.flatMap(({ location, slots }) => {
      const keys = keysOf(location, slots)
      for (const key of keys) places.set(nameOf(key), location)
      return keys
    })
    unchanged = []
    if (keys.length === 0) return
    const missing = await destination.confirm(keys)
    for (const location of new Set(missing.flatMap((key) => places.get(nameOf(key)) ?? [])))
      await part(formatLocation(location), async () => {
        const { slots, asked } = await readSlots(location, [], maxSlot, reading)
        await noteSlots(location, { shown: null, slots, asked })
      })
  }

  const visit: Round['visit'] = async (location, shown) => {
    const path = formatLocation(location)
    const before = noteIn(await destination.page(path))
    if (before && shown && isSettled(before, shown, clock())) {
      visited.add(path)
      await confirm(location, before.slots)
      return before.slots.length
    }
    const noted = before?.slots ?? []
    // Where fewer are shown than there were, it is worth a request to know.
    const limit = shown && shown.length >= noted.length ? shown.length : maxSlot
    const { slots, unchanged, asked } = await readSlots(location, noted, limit, reading)
    if (slots.length > 0 || shown === null) visited.add(path)
    if (slots.length > 0) await noteSlots(location, { shown, slots, asked })
    await confirm(location, unchanged)
    return slots.length
  }

  const spoil = (trouble: SourceTrouble) => {
    troubles.first ??= trouble
    troubles.count++
  }

  const part: Round['part'] = async (name, work) => {
    signal.throwIfAborted()
    try {
      await work()
    } catch (error) {
      if (!(error instanceof SourceTrouble)) throw error
      spoil(new SourceTrouble(`${error.message} (at ${name.slice(0, 300)})`, { cause: error }))
      const { retryAfterSeconds } = error
      if (retryAfterSeconds > 0 || ++troubles.ofSource >= maxTroubles) throw allTroubles(retryAfterSeconds)
    }
  }

  const allTroubles = (retryAfterSeconds = 0) => {
    const { first, count } = troubles
    const others = count > 1 ? `, and ${count - 1} more such troubles` : ''
    return new SourceTrouble(`${first?.message}${others}: nothing is taken away before all is known`, {
      cause: first,
      retryAfterSeconds,
    })
  }

  const settle = async () => {
    await confirmAll()
    await writeNotes()
    if (troubles.count > 0) throw allTroubles()
  }

  return {
    visited,
    visit,
    part,
    spoil,
    note,
    async noted(path) {
      visited.add(path)
      return destination.page(path)
    },

    async end(isGone) {
      await settle()
      const forgotten: string[] = []
      let after: string | undefined = ''
      while (after !== undefined) {
        const found: { path: string }[] = await destination.pages(after, batchSize)
        const paths = found.map(({ path }) => path).filter((path) => !visited.has(path))
        await workThrough(paths, concurrency, (path) =>
          part(path, async () => {
            const location = parseLocation(path)
            if (!location || (await isGone(location))) forgotten.push(path)
          }),
        )
        after = found.at(-1)?.path
      }
      await settle()
      signal.throwIfAborted()
      await destination.endRound()
      for (const path of forgotten) await note(path, null)
      await writeNotes()
    },
  }
}

function noteIn(seen: unknown): Note | null {
  const note = seen as Note | null
  return note?.form === 1 ? note : null
}

/** Whether the listing alone says that nothing has changed since it was read. */
function isSettled({ shown, slots, asked }: Note, listed: readonly string[], time: number): boolean {
  return (
    listed.length === slots.length &&
    listed.length === shown?.length &&
    listed.every((text, index) => text === shown[index] && timeOfDay.test(text)) &&
    slots.every(
      ({ modified = '', refused }) =>
        asked - Date.parse(modified) >= settledMilliseconds && !isLongRefused(refused, time),
    ) &&
    time - asked < askedAgainMilliseconds
  )
}
