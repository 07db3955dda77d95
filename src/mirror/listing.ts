import { isRepository } from '../reference/repository.ts'
import { formatLocation, type Location, parseLocation, parseSlotPath } from '../reference/tree-path.ts'
import { fingerprintOf, type Listed, listedIn } from './listed.ts'
import { beginRound, concurrency } from './round.ts'
import type { Destination, Fetch, Source } from './source.ts'
import { SourceTrouble } from './trouble.ts'
import { workThrough } from './work-through.ts'

export interface ListingOptions {
  fetch: Fetch
  /** The URL that `fetch` asks below. */
  from: string
  clock?: () => number
  /** Folders that are made up as they are asked for never end. */
  maxFolders?: number
}

/** A folder of some 130,000 locations at nginx, which takes 140 MiB of memory; what is larger needs a feed. */
const maxListingBytes = 24 * 1024 * 1024

const maxLocations = 1_000_000

/** Caddy lists so many names unless told otherwise (`file_limit`), and does not say that there are more. */
const silentLimit = 10_000

/** A location whose slots come and go while it is read is read so often. */
const attempts = 3

/**
 * A lookaside of files behind a web server that lists folders. Each listing is read in each round: servers do not tell
 * whether one has changed, and the time of a folder says nothing of those below it. A digest view is read only where no
 * repository has signatures of that digest: it shows a choice of them, and does not say where they belong.
 */
export function listingSource({
  fetch,
  from,
  clock = Date.now,
  maxFolders = 100_000,
}: ListingOptions): Source {
  const root = new URL(from).pathname.replace(/\/*$/, '/')
  return { kind: 'listing', copy: (destination, { signal }) => lookThrough(destination, signal) }

  async function lookThrough(destination: Destination, signal: AbortSignal): Promise<void> {
    const round = await beginRound({ destination, fetch, signal, clock })
    const views: string[] = []
    const found = { folders: 1, locations: 0, done: 0 }

    const list = async (path: string): Promise<Listed[]> => {
      const page = path === '' ? '/' : `/${path}/`
      const { status, headers, body } = await fetch(page, {
        maxBytes: maxListingBytes,
        headers: { accept: 'text/html' },
        signal,
      })
      // It went since it was listed, or looks so: what is noted of it is asked for.
      if (status === 404 && path !== '') return []
      if (status !== 200)
        throw new SourceTrouble(`it answers ${status}, and no listing: turn listings on, or name the images`)
      if (!/^(?:text\/html|application\/xhtml\+xml)\b/i.test(headers['content-type'] ?? ''))
        throw new SourceTrouble('its answer is no listing, which would be HTML')
      return listedIn(body, `${root}${path === '' ? '' : `${path}/`}`)
    }

    const readLocation = async (location: Location): Promise<void> => {
      const path = formatLocation(location)
      for (let left = attempts; left > 0; left--) {
        const shown = slotsIn(path, await list(path))
        if (shown.length === 0) return
        if ((await round.visit(location, shown)) >= shown.length) return
      }
      throw new SourceTrouble('its slots and its listing do not agree')
    }

    const readFolder = async (folder: Folder, add: (task: Task) => void): Promise<void> => {
      const { path } = folder
      const names = await list(path)
      folder.listing = fingerprintOf(names)
      if (isLoop(folder)) return
      for (const { name, isFolder } of names) {
        const below = path === '' ? name : `${path}/${name}`
        const location = isFolder ? parseLocation(below) : null
        if (location && ++found.locations > maxLocations)
          throw new SourceTrouble(
            `it has more than ${maxLocations} locations, which is what listings are read for`,
          )
        if (location?.kind === 'view') views.push(below)
        else if (location) add({ location: below })
        else if (isFolder && isRepository(below)) {
          if (++found.folders > maxFolders)
            throw new SourceTrouble(
              `it has more than ${maxFolders} folders, which is what listings are read for`,
            )
          add({ folder: { path: below, above: folder, listing: '' } })
        }
      }
      if (names.length === silentLimit)
        throw new SourceTrouble(
          `it lists ${silentLimit} names, after which Caddy leaves out the others: set file_limit higher`,
        )
    }

    const work = async (task: Task, add: (task: Task) => void): Promise<void> => {
      if ('folder' in task) return round.part(`/${task.folder.path}`, () => readFolder(task.folder, add))
      await round.part(`/${task.location}`, () => readLocation(parseLocation(task.location) as Location))
      destination.report({ done: ++found.done, total: found.locations })
    }
    await workThrough<Task>([{ folder: { path: '', above: null, listing: '' } }], concurrency, work)

    const digests = views.length > 0 ? digestsIn(round.visited) : new Set()
    const isLeftOut = ({ kind, digest }: Location) => kind === 'view' && digests.has(digest)
    const wanted = views.filter((view) => !isLeftOut(parseLocation(view) as Location))
    await workThrough<Task>(
      wanted.map((location) => ({ location })),
      concurrency,
      work,
    )
    await round.end(async (location) => isLeftOut(location) || (await round.visit(location, null)) === 0)
  }
}

/** A location is its path, as there may be very many. */
type Task = { folder: Folder } | { location: string }

interface Folder {
  path: string
  above: Folder | null
  /** What it lists, when that is known. */
  listing: string
}

/** Whether a link led up and round again: what is listed here was listed twice above, after the same steps. */
function isLoop({ path, above, listing }: Folder): boolean {
  const listings = new Map<string, string>()
  for (let folder = above; folder; folder = folder.above) listings.set(`/${folder.path}`, folder.listing)
  const equal = [...listings].filter(([, other]) => other === listing)
  return equal.some(([once]) => {
    const steps = `/${path}`.slice(once === '/' ? 0 : once.length)
    const before = once.endsWith(steps) ? once.slice(0, -steps.length) || '/' : null
    return before !== null && listings.get(before) === listing
  })
}

function digestsIn(paths: Iterable<string>): Set<string> {
  const digests = new Set<string>()
  for (const path of paths) digests.add(parseLocation(path)?.digest ?? '')
  return digests
}

/** What is shown of each slot that clients find: from the first to the one before the first that is missing. */
function slotsIn(path: string, names: readonly Listed[]): string[] {
  const shown = new Map<number, string>()
  for (const { name, isFolder, shown: text } of names) {
    const slot = isFolder ? undefined : parseSlotPath(`${path}/${name}`)?.slot
    if (slot !== undefined) shown.set(slot, text)
  }
  const slots: string[] = []
  for (let text = shown.get(1); text !== undefined; text = shown.get(slots.length + 1)) slots.push(text)
  return slots
}
