import { hash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { opendir, readdir, rm, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { makeFolder, makeUnsynced, moveFile, placeFile, syncFolder } from '../durable/durable.ts'
import { readRegularFile } from '../durable/regular-file.ts'
import { readPosition, writePosition } from './position.ts'
import { directoryOf, linkTo, ownFolder, type Tree } from './tree.ts'
import type { Writer } from './writer.ts'

/** What may lie in an empty root: a folder of ours, and the one that each new ext file system has. */
const emptiness = new Set([ownFolder, 'lost+found'])

/** A folder above may go, empty, while one below it is made for another location: then it is made again. */
const missing = new Set(['ENOENT', 'ENOTDIR'])
const puts = 3

/** Folders synced at once: they share the file system's commits. */
const concurrency = 16

/**
 * A tree in a folder of a local file system. Of each file the bytes are durable before it has its name; what names there
 * are is, for all folders together, with `sync`. It is for a thread of its own, which it keeps from other work.
 */
export function folderWriter(tree: Tree): Writer {
  const { root, staging } = tree
  /** Folders with names that are not durable yet. */
  const changed = new Set<string>()
  return {
    position: () => readPosition(tree),
    setPosition: (position) => writePosition(tree, position),
    isEmpty: () => isEmpty(root),
    async begin() {
      await makeFolder(root)
      await makeFolder(staging)
      for (const name of await readdir(staging))
        await rm(join(staging, name), { recursive: true, force: true })
    },
    async list(location) {
      const directory = directoryOf(tree, location)
      for (let link = linkTo(tree, location); link; link = linkTo(tree, location)) await rescue(tree, link)
      const found = new Map<string, string | null>()
      for (const name of entries(directory)) found.set(name, sha256Of(join(directory, name)))
      return found
    },
    async put(location, name, content, modified) {
      const directory = directoryOf(tree, location)
      for (let left = puts - 1; ; left--) {
        try {
          makeUnsynced(directory)
          return await placeFile(join(directory, name), content, staging, modified)
        } catch (error) {
          if (!left || !missing.has((error as NodeJS.ErrnoException).code ?? '')) throw error
        }
      }
    },
    remove: (location, name) => unlink(join(directoryOf(tree, location), name)),
    rescue: (location, name) => rescue(tree, join(directoryOf(tree, location), name)),
    async settle(location, isEmpty) {
      const directory = directoryOf(tree, location)
      if (isEmpty) await removeEmptyFolders(directory, root)
      // Whoever made a folder may have been interrupted before its name was durable.
      for (let folder = directory; folder.startsWith(root); folder = dirname(folder)) {
        if (changed.has(folder) && folder !== directory) break
        changed.add(folder)
        if (folder === root) break
      }
    },
    async sync() {
      const folders = changed.values()
      const work = async () => {
        for (const folder of folders) {
          await syncFolder(folder).catch(unlessMissing)
          changed.delete(folder)
        }
      }
      const ends = await Promise.allSettled(Array.from({ length: concurrency }, work))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    },
  }
}

/** Moves what the log does not explain to lost+found, under its path and the start of its hash. */
export async function rescue(tree: Tree, file: string): Promise<void> {
  const suffix = sha256Of(file)?.slice(0, 16) ?? `not-a-file-${randomBytes(4).toString('hex')}`
  const folder = join(tree.lostAndFound, relative(tree.root, dirname(file)))
  await makeFolder(folder)
  await moveFile(file, join(folder, `${basename(file).slice(0, longestKept)}~${suffix}`))
}

/** Of a name that is moved, in UTF-16 units of three bytes at most: with what is added it stays below 255 bytes. */
const longestKept = 70

/** Removes a folder of the tree and those above it, as far as they are empty. */
export async function removeEmptyFolders(directory: string, root: string): Promise<void> {
  for (let folder = directory; folder !== root && folder.startsWith(root); folder = dirname(folder)) {
    try {
      await rmdir(folder)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return
      if (code !== 'ENOENT') throw error
      continue
    }
    await syncFolder(dirname(folder)).catch(unlessMissing)
  }
}

/** Null for what is not a regular file, or may not be read. */
function sha256Of(file: string): string | null {
  try {
    const content = readRegularFile(file)
    return content && hash('sha256', content, 'hex')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null
    throw error
  }
}

async function isEmpty(root: string): Promise<boolean> {
  try {
    for await (const { name } of await opendir(root)) if (!emptiness.has(name)) return false
  } catch (error) {
    unlessMissing(error as NodeJS.ErrnoException)
  }
  return true
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    unlessMissing(error as NodeJS.ErrnoException)
    return []
  }
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
