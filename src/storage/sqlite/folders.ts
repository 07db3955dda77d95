import type { Digest } from '../../reference/digest.ts'
import { formatLocation, formatSlotPath, type Location, parseLocation } from '../../reference/tree-path.ts'
import type { FolderEntry, FolderMark, FolderPage } from '../storage.ts'
import type { Connection } from './connection.ts'
import { prepareViews } from './views.ts'

/** A page ends where so many rows were looked at: there may be many places of which nothing is served any more. */
const maxExamined = 2000

/** Sorts behind every character of a name, as a slash sorts before those of a longer one. */
const last = '~'

/**
 * Where a page ended. Repositories come in the order of their names, each with its digests, and a folder where the
 * slash behind its name sorts; then the digests of the view at the folder itself.
 */
interface Position {
  /** Of the first page, and said again by each. */
  changed: number
  /** Everything up to this name was looked at; in the place of this name, if there is a digest, up to that. */
  name: string
  digest: string
  inView: boolean
}

interface LocationRow {
  digest: Digest
  changed: number
  isServed: 0 | 1
}

interface Folders {
  folder(path: string, after: FolderMark | null, limit: number): FolderPage | null
}

/**
 * What is in a folder of the tree. A page costs what is on it, however much is in the folder; the first one also looks
 * once at each repository below the folder, and so does the page that shows a folder with those below that.
 */
export function prepareFolders(db: Connection): Folders {
  const views = prepareViews(db)
  const placeOf = db.prepare('SELECT id, name, changed FROM places WHERE name = ? AND kind = ?')
  const nextPlace = db.prepare(
    `SELECT id, name FROM places WHERE name > ? AND name < ? AND kind = 'repository' ORDER BY name LIMIT 1`,
  )
  const lastChange = db
    .prepare('SELECT coalesce(max(changed), 0) FROM places WHERE name > ? AND name < ?')
    .pluck()
  const locations = db.prepare(
    `SELECT l.digest, l.changed, EXISTS (SELECT 1 FROM slots WHERE location = l.id) AS isServed
     FROM locations l WHERE l.place = ? AND l.digest > ? ORDER BY l.digest`,
  )
  const servedLocation = db
    .prepare(
      `SELECT 1 FROM locations l WHERE l.place = ? AND EXISTS (SELECT 1 FROM slots WHERE location = l.id) LIMIT 1`,
    )
    .pluck()
  const locationAt = db.prepare('SELECT id, changed FROM locations WHERE place = ? AND digest = ?')
  const slots = db.prepare(
    `SELECT sl.slot, sl.modified, length(s.blob) AS size, lower(hex(s.sha256)) AS sha256
     FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.location = ? AND sl.slot > ? ORDER BY sl.slot`,
  )

  const place = (name: string, kind: 'repository' | 'view') => placeOf.get(name, kind) as PlaceRow | undefined

  /** Of everything in or below a folder. */
  const changedBelow = (path: string) =>
    Math.max(
      lastChange.get(below(path), below(path) + last) as number,
      // Its digests are in the folder; those of a repository of that name are beside it.
      place(path, 'view')?.changed ?? 0,
    )

  /** Names of folders that are there because a view is in or below them, in order. */
  const foldersOfViews = (path: string): string[] => {
    const served = views().filter(({ base }) => {
      if (base === '' || !base.startsWith(below(path))) return false
      const found = place(base, 'view')
      return found && servedLocation.get(found.id) !== undefined
    })
    return [...new Set(served.map(({ base }) => firstComponent(base.slice(below(path).length))))].sort(
      (a, b) => (`${a}/` < `${b}/` ? -1 : 1),
    )
  }

  const pageOf = (path: string, position: Position, limit: number): FolderPage => {
    const start = below(path)
    const viewFolders = foldersOfViews(path)
    const entries: FolderEntry[] = []
    const at = { ...position }
    let examined = 0
    const mayGoOn = () => entries.length < limit && examined < maxExamined

    const showFolder = (name: string) => {
      const folder = `${start}${name}`
      entries.push({ kind: 'folder', name, modified: changedBelow(folder) })
      Object.assign(at, { name: `${folder}/${last}`, digest: '' })
    }

    /** Looks at the digests of a place behind the position; `onServed` says whether to look further. */
    const walk = (id: number, onServed: (row: LocationRow) => boolean): 'end' | 'stopped' => {
      for (const row of locations.iterate(id, at.digest) as Iterable<LocationRow>) {
        if (!mayGoOn()) return 'stopped'
        examined++
        at.digest = row.digest
        if (row.isServed && !onServed(row)) return 'stopped'
      }
      return 'end'
    }

    const showDigests = (id: number, kind: Location['kind'], name: string): 'end' | 'stopped' =>
      walk(id, ({ digest, changed }) => {
        const location = formatLocation({ kind, name, digest } as Location)
        entries.push({ kind: 'folder', name: location.slice(start.length), modified: changed })
        return true
      })

    while (!at.inView && mayGoOn()) {
      const next = (at.digest ? place(at.name, 'repository') : nextPlace.get(at.name, start + last)) as
        | PlaceRow
        | undefined
      const viewFolder = viewFolders.find((name) => `${start}${name}/` > at.name)
      if (viewFolder && !at.digest && !(next && next.name < `${start}${viewFolder}/`)) {
        showFolder(viewFolder)
        continue
      }
      if (!next) {
        Object.assign(at, { inView: true, digest: '' })
        break
      }
      examined++
      at.name = next.name
      const inside = next.name.slice(start.length)
      const child = firstComponent(inside)
      let isFolder = false
      const walked =
        child === inside
          ? showDigests(next.id, 'repository', next.name)
          : walk(next.id, () => {
              isFolder = true
              return false
            })
      if (isFolder) showFolder(child)
      else if (walked === 'end') at.digest = ''
    }

    const here = at.inView ? place(path, 'view') : undefined
    const isAll = at.inView && (!here || showDigests(here.id, 'view', path) === 'end')
    return { changed: at.changed, entries, next: isAll ? null : JSON.stringify(at) }
  }

  const slotsOf = (path: string, after: FolderMark | null, limit: number): FolderPage | null => {
    const location = parseLocation(path)
    const home = location && place(location.name, location.kind)
    const found = home && (locationAt.get(home.id, location.digest) as { id: number; changed: number })
    if (!found) return null
    const rows = slots.all(found.id, Number(after ?? 0)) as SlotRow[]
    if (!rows.length && after === null) return null
    const page = rows.slice(0, limit)
    const name = (slot: number) => formatSlotPath(location, slot).slice(path.length + 1)
    return {
      changed: found.changed,
      entries: page.map(({ slot, ...row }) => ({ kind: 'slot', name: name(slot), ...row })),
      next: rows.length > limit ? String(page.at(-1)?.slot) : null,
    }
  }

  return {
    /** See `Reading`. */
    folder: db.transaction((path: string, after: FolderMark | null, limit: number): FolderPage | null => {
      if (path.includes('=')) return slotsOf(path, after, limit)
      if (after !== null) return pageOf(path, JSON.parse(after) as Position, limit)
      const start = { changed: changedBelow(path), name: below(path), digest: '', inView: false }
      const page = pageOf(path, start, limit)
      // The tree itself is always there.
      return page.entries.length || page.next || path === '' ? page : null
    }),
  }
}

interface PlaceRow {
  id: number
  name: string
  changed: number
}

interface SlotRow {
  slot: number
  modified: number
  size: number
  sha256: string
}

/** What the names in a folder begin with. */
function below(path: string): string {
  return path === '' ? '' : `${path}/`
}

function firstComponent(path: string): string {
  return path.split('/', 1)[0] as string
}
