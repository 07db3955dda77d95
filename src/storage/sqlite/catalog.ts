import type { Digest } from '../../reference/digest.ts'
import { formatReference, parseReference } from '../../reference/reference.ts'
import type { CatalogDigest, CatalogPage, CatalogQuery, CatalogRepository } from '../catalog.ts'
import type { Change } from '../storage.ts'
import type { Connection } from './connection.ts'
import { type ChangeRow, changeColumns, changeJoins } from './rows.ts'

/** A page ends where so many digests were looked at, however few claims named the image: readers must not wait for it. */
const maxExamined = 500

/** Of how many repositories the name is looked at for a part of it: readers wait for that. */
const maxNamesExamined = 10_000

/** Sorts behind every character of a name and of a digest. */
const last = '~'

/** Claims are stored as they were written: Docker Hub alone has more than one spelling of a name. */
function isFor(reference: string): (written: string) => boolean {
  const isOnDockerHub = reference.startsWith('docker.io/')
  return (written) =>
    written === reference || (isOnDockerHub && formatReference(parseReference(written)) === reference)
}

interface DigestRow extends CatalogDigest {
  id: number
  version: number
}

/** See `Catalog`. */
export function prepareCatalog(db: Connection) {
  const repositories = db.prepare(
    `SELECT name, changed FROM places WHERE name > ? AND name >= ? AND name < ? AND kind = 'repository'
     ORDER BY name LIMIT ?`,
  )
  // Names come from the index alone: two milliseconds for all that are looked at.
  const repositoriesWith = db.prepare(
    `SELECT p.name, p.changed FROM
       (SELECT id, name FROM places WHERE name > '' AND kind = 'repository' ORDER BY name LIMIT ?) named
       CROSS JOIN places p ON p.id = named.id
     WHERE instr(named.name, ?) > 0 LIMIT ?`,
  )
  const digestsFrom = db
    .prepare('SELECT DISTINCT digest FROM locations WHERE digest >= ? AND digest < ? ORDER BY digest LIMIT ?')
    .pluck()
  const digests = db.prepare(
    `SELECT l.id, l.digest, l.changed, l.version,
       (SELECT count(*) FROM slots WHERE location = l.id AND leaves IS NULL) AS signatures
     FROM locations l WHERE l.place = (SELECT id FROM places WHERE name = ? AND kind = 'repository')
       AND l.version < ? ORDER BY l.version DESC`,
  )
  const names = db
    .prepare(
      `SELECT s.docker_reference FROM slots sl JOIN signatures s ON s.id = sl.signature
       WHERE sl.location = ? AND sl.leaves IS NULL`,
    )
    .pluck()
  const changes = db.prepare(
    `SELECT ${changeColumns} FROM changes c ${changeJoins} WHERE c.signature = ? AND c.seq < ?
     ORDER BY c.seq DESC LIMIT ?`,
  )
  const unserved = db.prepare(
    `SELECT ${changeColumns} FROM changes c ${changeJoins} WHERE c.seq IN
       (SELECT (SELECT max(seq) FROM changes WHERE signature = gone.id) FROM signatures gone
        WHERE gone.location = (SELECT l.id FROM locations l JOIN places p ON p.id = l.place
            WHERE p.name = ? AND p.kind = 'repository' AND l.digest = ?)
          AND (gone.superseded_by IS NOT NULL OR gone.gone = 1)
        ORDER BY gone.id DESC LIMIT ?)
     ORDER BY c.seq DESC`,
  )

  return {
    repositories: ({ start = '', after = '', limit }: { start?: string; after?: string; limit: number }) =>
      repositories.all(after, start, start + last, limit) as CatalogRepository[],

    repositoriesWith: (part: string, limit: number) =>
      repositoriesWith.all(maxNamesExamined, part, limit) as CatalogRepository[],

    digestsFrom: (start: string, limit: number) => digestsFrom.all(start, start + last, limit) as Digest[],

    digests({ repository, reference, before = Number.MAX_SAFE_INTEGER, limit }: CatalogQuery): CatalogPage {
      const found: CatalogDigest[] = []
      let examined = 0
      let next: number | null = null
      for (const row of digests.iterate(repository, before) as Iterable<DigestRow>) {
        if (found.length >= limit || examined >= maxExamined) return { digests: found, next }
        const { id, digest, changed, version, signatures } = row
        next = version
        examined++
        if (reference === undefined || (names.all(id) as string[]).some(isFor(reference)))
          found.push({ digest, changed, signatures })
      }
      return { digests: found, next: null }
    },

    changesOf: (signature: number, before: number | null, limit: number) =>
      changes.all(signature, before ?? Number.MAX_SAFE_INTEGER, limit) as ChangeRow[] as Change[],

    unserved: (repository: string, digest: string, limit: number) =>
      unserved.all(repository, digest, limit) as ChangeRow[] as Change[],
  }
}
