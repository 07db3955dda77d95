import { Refusal } from '../refusal.ts'
import { type Digest, isDigest } from './digest.ts'
import { isRepository, type Repository } from './repository.ts'

/**
 * What a reader asks for. A repository's digest is `<name>@<algo>=<hex>`; a digest view's is `<base>/<algo>=<hex>`,
 * where the base follows the grammar of repositories and may be empty. No component of a repository or base holds
 * `@` or `=`, so the two kinds never share a path, and no repository lies inside the directory of a location.
 */
export type Location =
  | { kind: 'repository'; name: Repository; digest: Digest }
  | { kind: 'view'; name: string; digest: Digest }

/** Where one signature is. Slots count from 1 to `maxSlot`, and clients read them up to the first that is missing. */
export interface SlotPath {
  location: Location
  slot: number
}

/** c/image stops with an error when it has read a 128th signature (docker/docker_image_src.go, `maxLookasideSignatures`). */
export const maxSlot = 127

/** c/image gives up on a signature that is longer (internal/iolimits, `MaxSignatureBodySize`). */
export const maxBlobBytes = 4 * 1024 * 1024

/** The longest file name of ext4, XFS, btrfs, APFS and NTFS, in bytes; the names here are ASCII. */
const maxComponent = 255

const slotPrefix = 'signature-'

/**
 * Reads `library/busybox@sha256=<hex>/signature-1`, `openshift/release/sha256=<hex>/signature-1` or
 * `sha256=<hex>/signature-1`. Only the canonical text: `formatSlotPath` of the result is `path` again, so what
 * precedes the last slash is `formatLocation` of its location. Null for any other text.
 */
export function parseSlotPath(path: string): SlotPath | null {
  const slash = path.lastIndexOf('/')
  if (!path.startsWith(slotPrefix, slash + 1)) return null
  const slot = parseSlot(path, slash + 1 + slotPrefix.length)
  if (slot === 0) return null
  const location = parseLocation(path.slice(0, Math.max(slash, 0)))
  return location === null ? null : { location, slot }
}

/**
 * Reads a location without slot and without trailing slash: `library/busybox@sha256=<hex>`, `sha256=<hex>`. Null for any
 * other text.
 */
export function parseLocation(path: string): Location | null {
  const equals = path.indexOf('=')
  if (equals < 0) return null
  // Every algorithm name has six letters.
  const start = equals - 6
  const digest = `${path.slice(Math.max(start, 0), equals)}:${path.slice(equals + 1)}`
  if (!isDigest(digest)) return null
  if (start === 0) return { kind: 'view', name: '', digest }
  const name = path.slice(0, start - 1)
  if (!isRepository(name)) return null
  if (path[start - 1] === '@') return { kind: 'repository', name, digest }
  if (path[start - 1] === '/') return { kind: 'view', name, digest }
  return null
}

/**
 * Reads a folder of the tree, with or without a slash at its end: `team`, `library/busybox@sha256=<hex>/`, or the empty
 * text for the tree itself. It is given without the slash. Null for any other text; no slot is a folder.
 */
export function parseFolder(path: string): string | null {
  const folder = path.endsWith('/') ? path.slice(0, -1) : path
  return path === '' || isRepository(folder) || parseLocation(folder) !== null ? folder : null
}

/** The directory in the tree, relative to its root, and the key in caches. */
export function formatLocation(location: Location): string {
  const { kind, name, digest } = location
  const directory = digest.replace(':', '=')
  if (name === '') return directory
  return `${name}${kind === 'repository' ? '@' : '/'}${directory}`
}

/** The file in the tree, relative to its root; a lookaside URL ends in it. */
export function formatSlotPath(location: Location, slot: number): string {
  return `${formatLocation(location)}/${slotPrefix}${slot}`
}

/** Refuses what no file system can hold: beside a sha256, 183 bytes are left for the last component; beside a sha512, 119. */
export function requireStorable(location: Location): void {
  const path = formatLocation(location)
  for (const component of path.split('/')) {
    if (component.length <= maxComponent) continue
    throw new Refusal(
      'name-too-long',
      `"${component}" has ${component.length} characters; a file name may have ${maxComponent}. Shorten the last part of the repository name.`,
    )
  }
}

/** 0 where `path` from `start` on is not exactly the number of a slot. */
function parseSlot(path: string, start: number): number {
  if (path.charCodeAt(start) === 48) return 0
  let slot = 0
  for (let at = start; at < path.length; at++) {
    const figure = path.charCodeAt(at) - 48
    if (figure < 0 || figure > 9) return 0
    slot = slot * 10 + figure
  }
  return slot <= maxSlot ? slot : 0
}

/** What clients ask for, at one test; anything else goes the long way below. No component starts with a dot. */
const plain = /^(?:\/[A-Za-z0-9_@=:-][A-Za-z0-9_.@=:-]*)+$/

/** RFC 3986 `pchar` without escapes, and the slash. It leaves out `%`, so that decoding twice changes nothing. */
const unescaped = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/

/** `.` or `..` as a component. */
const climbing = /\/\.\.?(?:\/|$)/

/**
 * The path a request names: decoded, without the leading slash, doubled slashes made one, a trailing slash kept.
 * `rawUrl` is the request target as received, in origin or absolute form (RFC 9112, 3.2), query included.
 * Null where it cannot be a path in the tree: malformed escapes, `.` and `..` as components however they are
 * written (they would climb out of the tree), control characters, backslashes, non-ASCII.
 */
export function normaliseUrlPath(rawUrl: string): string | null {
  if (plain.test(rawUrl)) return rawUrl.slice(1)
  const query = rawUrl.indexOf('?')
  const target = query < 0 ? rawUrl : rawUrl.slice(0, query)
  const origin = /^https?:\/\/[^/]+/i.exec(target)
  const escaped = origin === null ? target : target.slice(origin[0].length) || '/'
  if (!escaped.startsWith('/')) return null
  const path = decodeEscapes(escaped)
  if (path === null || !unescaped.test(path) || climbing.test(path)) return null
  return path.replace(/\/+/g, '/').slice(1)
}

function decodeEscapes(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
