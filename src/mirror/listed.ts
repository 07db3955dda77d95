import { anchorsIn } from './anchors.ts'
import { SourceTrouble } from './trouble.ts'

/** One name in a folder of a source. */
export interface Listed {
  name: string
  isFolder: boolean
  /** Its time and size as the page shows them; empty: it shows none. */
  shown: string
}

/** A page of 64 MiB may have five times as many. */
const maxNames = 1_000_000

/**
 * The names on a listing that can be part of a tree, each once, in the order of the page: of nginx, Apache, Caddy,
 * Python and whatever else marks folders with a slash at their end. Anything that does not lead one level down is left
 * out: other hosts, parents, queries, names with an escaped slash.
 * @param folder the path of the page on its server, with a slash at both ends
 * @throws SourceTrouble where they are more than can be followed
 */
export function listedIn(page: Buffer, folder: string): Listed[] {
  let names = 0
  const anchors = anchorsIn(page, (href) => {
    const found = nameIn(href, folder)
    if (found && ++names > maxNames) throw new SourceTrouble(`it lists more than ${maxNames} names`)
    return found
  })
  const listed = new Map<string, Listed>()
  for (const { to, after } of anchors) {
    const path = to.isFolder ? `${to.name}/` : to.name
    if (!listed.has(path)) listed.set(path, { ...to, shown: after.trim().replaceAll(/\s+/g, ' ') })
  }
  return [...listed.values()]
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
