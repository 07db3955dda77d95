import type { Location } from '../../reference/tree-path.ts'
import type { Connection } from './connection.ts'

/** The row numbers of a location and its place. */
export interface Located {
  place: number
  location: number
}

/** The same, where they need not be there. */
export type Found = Located | { place: number | null; location: null }

export function prepareFind(db: Connection): (location: Location) => Found {
  const place = db.prepare('SELECT id FROM places WHERE name = ? AND kind = ?').pluck()
  const location = db.prepare('SELECT id FROM locations WHERE place = ? AND digest = ?').pluck()
  return ({ kind, name, digest }) => {
    const found = place.get(name, kind) as number | undefined
    if (found === undefined) return { place: null, location: null }
    return { place: found, location: (location.get(found, digest) as number | undefined) ?? null }
  }
}

/** Makes what is missing; `found` is what is there by now. */
export function prepareLocate(db: Connection): (location: Location, found?: Found) => Located {
  const find = prepareFind(db)
  const addPlace = db.prepare('INSERT INTO places (name, kind) VALUES (?, ?)')
  const addLocation = db.prepare('INSERT INTO locations (place, digest) VALUES (?, ?)')
  return (wanted, found = find(wanted)) => {
    const { kind, name, digest } = wanted
    const place = found.place ?? Number(addPlace.run(name, kind).lastInsertRowid)
    return { place, location: found.location ?? Number(addLocation.run(place, digest).lastInsertRowid) }
  }
}
