import { createHash } from 'node:crypto'
import { readRows } from './rows.ts'
import { SourceTrouble } from './trouble.ts'

/** One name in a folder of a source. */
export interface Listed {
  name: string
  isFolder: boolean
  /** Its time and size as the page shows them; empty: it shows none. */
  shown: string
}

/** A page of 24 MiB has half as many at nginx. What is kept of them has to fit into memory. */
const maxNames = 300_000

/**
 * The names on a listing that can be part of a tree, each once, in the order of the page: of nginx, Apache, Caddy,
 * Python and whatever else marks folders with a slash at their end. Anything that does not lead one level down is left
 * out: other hosts, parents, queries, names with an escaped slash. What is returned keeps nothing of the page in memory.
 * @param folder the path of the page on its server, with a slash at both ends
 * @throws SourceTrouble where they are more than can be followed
 */
export function listedIn(page: Buffer, folder: string): Listed[] {
  let count = 0
  const folders = new Set<string>()
  const files = new Set<string>()
  const listed: Listed[] = []
  readRows(page, {
    read(href) {
      const found = nameIn(href, folder)
      if (found && ++count > maxNames) throw new SourceTrouble(`it lists more than ${maxNames} names`)
      const names = found?.isFolder ? folders : files
      return found && !names.has(found.name) ? found : null
    },
    found({ name: read, isFolder }, after) {
      const name = copied(read)
      const names = isFolder ? folders : files
      names.add(name)
      listed.push({ name, isFolder, shown: copied(after.trim().replaceAll(/\s+/g, ' ')) })
    },
  })
  return listed
}

/** What a listing says, in 64 characters: another where a name, a time or a size is another. */
export function fingerprintOf(names: Iterable<Listed>): string {
  const all = createHash('sha256')
  for (const { name, shown } of names) all.update(`${name} ${shown}\n`)
  return all.digest('hex')
}

/** A part of a string keeps the whole of it in memory, and a few letters of each row would keep the page. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** What the components of a location are made of, and what RFC 3986 would have escaped in none of them. */
const plainName = /^[a-z0-9][a-z0-9._@=-]{0,254}$/

/** Servers escape what they like; some write `./name`, some the whole path. A fragment leads to the same page. */
function nameIn(href: string, folder: string): { name: string; isFolder: boolean } | null {
  const path = decode(href.replace(/#.*$/s, ''))
  if (path === null) return null
  const below = path.startsWith('/')
    ? path.startsWith(folder)
      ? path.slice(folder.length)
      : ''
    : path.replace(/^\.\//, '')
  const isFolder = below.endsWith('/')
  const name = isFolder ? below.slice(0, -1) : below
  return plainName.test(name) ? { name, isFolder } : null
}

/** Once: what is escaped twice is the name of something else. A query is not decoded into a name. */
function decode(href: string): string | null {
  if (href.includes('?')) return null
  try {
    return decodeURIComponent(href)
  } catch {
    return null
  }
}
