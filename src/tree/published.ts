import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../durable/durable.ts'
import { formatLocation, type Location, parseLocation } from '../reference/tree-path.ts'
import type { BacklogEntry, TreeBacklog } from '../storage/storage.ts'
import { ownFolder, type Tree } from './tree.ts'

/** The tree in a directory of its own, for another web server. What is ours lies inside, as nothing else may be near. */
export function publishedTree(directory: string): Tree {
  const own = join(directory, ownFolder)
  return { root: directory, staging: join(own, 'tmp'), lostAndFound: join(own, 'lost+found') }
}

/** Of all processes on a data folder, the one that holds it writes this directory. */
export function publishLease(directory: string): string {
  return `publish:${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
}

/** Above this it is the whole that cannot be written, not some directories. */
const maxSetAside = 1000

/**
 * What has still to be written of a published directory, in a file there: the backlog of the database is that of the one
 * tree. To be made anew by each holder of the lease.
 */
export function publishedBacklog(directory: string): TreeBacklog {
  const file = backlogFile(directory)
  let loaded: Promise<Map<string, BacklogEntry>> | undefined
  let saving = Promise.resolve()
  let next: Promise<void> | undefined

  const entries = () => {
    loaded ??= readBacklog(file).catch((error) => {
      loaded = undefined
      throw error
    })
    return loaded
  }
  /** Those who come while one is being saved share the next one. */
  const save = () => {
    next ??= saving = saving
      .catch(() => {})
      .then(async () => {
        next = undefined
        await writeBacklog(file, [...(await entries()).values()])
      })
    return next
  }
  return {
    async addToBacklog(location, error) {
      const map = await entries()
      const key = formatLocation(location)
      if (map.size >= maxSetAside && !map.has(key))
        throw new Error(`More than ${maxSetAside} directories cannot be written, such as ${key}: ${error}`)
      map.set(key, { location, error, since: map.get(key)?.since ?? Date.now() })
      await save()
    },
    async backlog() {
      const map = await entries()
      for (const asked of await askedFiles(directory)) {
        for (const [key, entry] of await readBacklog(asked)) map.set(key, entry)
        await save()
        await rm(asked, { force: true })
      }
      return [...map.values()]
    },
    async settleBacklog(location) {
      if ((await entries()).delete(formatLocation(location))) await save()
    },
  }
}

/**
 * Has whoever holds the lease of a published directory write locations again when it looks next, at most 1000 at a time.
 * Each asks in a file of his own, which the holder takes in: it alone writes its backlog.
 * @returns those that were asked for
 */
export async function askForWriting(
  directory: string,
  locations: readonly Location[],
): Promise<readonly Location[]> {
  const asked = locations.slice(0, maxSetAside)
  const entries = asked.map((location) => ({ location, error: null, since: Date.now() }))
  const name = `${askedPrefix}${randomBytes(8).toString('hex')}.json`
  await writeBacklog(join(directory, ownFolder, name), entries)
  return asked
}

/** What has still to be written, for one that does not hold the lease; also what was asked and is not taken in yet. */
export async function stillToWrite(directory: string): Promise<BacklogEntry[]> {
  const asked = await askedFiles(directory)
  const found: BacklogEntry[] = []
  // The backlog comes last: what is taken in meanwhile is there.
  for (const file of [...asked, backlogFile(directory)]) found.push(...(await readBacklog(file)).values())
  return found
}

const askedPrefix = 'asked-'

async function askedFiles(directory: string): Promise<string[]> {
  const own = join(directory, ownFolder)
  const names = await readdir(own).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => name.startsWith(askedPrefix)).map((name) => join(own, name))
}

function backlogFile(directory: string): string {
  return join(directory, ownFolder, 'backlog.json')
}

async function writeBacklog(file: string, entries: readonly BacklogEntry[]): Promise<void> {
  const list = entries.map(({ location, error, since }) => ({
    location: formatLocation(location),
    error,
    since,
  }))
  await replaceFile(file, `${JSON.stringify(list)}\n`, 0o644)
}

async function readBacklog(file: string): Promise<Map<string, BacklogEntry>> {
  const found = new Map<string, BacklogEntry>()
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return found
    throw error
  }
  try {
    for (const { location: path, error, since } of JSON.parse(text)) {
      const location = parseLocation(path)
      if (location)
        found.set(path, { location, error: error === null ? null : String(error), since: Number(since) })
    }
    return found
  } catch (cause) {
    throw new Error(`${file} cannot be read: what has still to be written is not known`, { cause })
  }
}
