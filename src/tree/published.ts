import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../durable/durable.ts'
import { formatLocation, parseLocation } from '../reference/tree-path.ts'
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
  const file = join(directory, ownFolder, 'backlog.json')
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
        const list = [...(await entries())].map(([location, { error, since }]) => ({
          location,
          error,
          since,
        }))
        await replaceFile(file, `${JSON.stringify(list)}\n`, 0o644)
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
    backlog: async () => [...(await entries()).values()],
    async settleBacklog(location) {
      if ((await entries()).delete(formatLocation(location))) await save()
    },
  }
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
      if (location) found.set(path, { location, error: String(error), since: Number(since) })
    }
    return found
  } catch (cause) {
    throw new Error(`${file} cannot be read: what has still to be written is not known`, { cause })
  }
}
