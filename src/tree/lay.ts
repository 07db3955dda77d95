import { createHash, randomBytes } from 'node:crypto'
import { readdir, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { makeFolder, moveFile, placeFile, syncFolder } from '../durable/durable.ts'
import { readRegularFile } from '../durable/regular-file.ts'
import type { Location } from '../reference/tree-path.ts'
import type { Reading } from '../storage/storage.ts'
import { directoryOf, type Tree } from './tree.ts'

/**
 * Makes the directory of a location what the database says now, whatever it was: safe to repeat, and to resume after
 * a crash at any point. Slots appear lowest first and are whole when they appear. When it returns, all is on disk.
 * A file that no stored signature explains is moved to lost+found, never overwritten or deleted.
 */
export async function layLocation(
  storage: Pick<Reading, 'slots' | 'holds'>,
  tree: Tree,
  location: Location,
): Promise<void> {
  const directory = directoryOf(tree, location)
  const slots = await storage.slots(location)
  const strays = new Set(await entries(directory))
  let changed = false

  if (slots.length) await makeFolder(directory)
  for (const { slot, sha256, blob } of slots) {
    const name = `signature-${slot}`
    const file = join(directory, name)
    if (strays.delete(name)) {
      const found = await sha256Of(file)
      if (found === sha256) continue
      if (found === null || !(await storage.holds(found))) await rescue(tree, file)
    }
    await placeFile(file, blob, tree.staging)
    changed = true
  }
  // From the last slot down: a reader that walks up never meets a hole.
  for (const name of [...strays].sort(bySlotDescending)) {
    const file = join(directory, name)
    const found = await sha256Of(file)
    if (found !== null && (await storage.holds(found))) await unlink(file)
    else await rescue(tree, file)
    changed = true
  }
  if (changed) await syncFolder(directory)
  if (!slots.length) await removeEmptyFolders(directory, tree.root)
}

/** Moves what the log does not explain to lost+found, under its path and the start of its hash. */
export async function rescue(tree: Tree, file: string): Promise<string> {
  const suffix = (await sha256Of(file))?.slice(0, 16) ?? `not-a-file-${randomBytes(4).toString('hex')}`
  const folder = join(tree.lostAndFound, relative(tree.root, dirname(file)))
  const target = join(folder, `${basename(file).slice(0, longestKept)}~${suffix}`)
  await makeFolder(folder)
  await moveFile(file, target)
  return target
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
    await syncFolder(dirname(folder))
  }
}

/** Null for what is not a regular file, or may not be read. */
async function sha256Of(file: string): Promise<string | null> {
  try {
    const content = await readRegularFile(file)
    return content && createHash('sha256').update(content).digest('hex')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null
    throw error
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function bySlotDescending(a: string, b: string): number {
  return basename(b).localeCompare(basename(a), 'en', { numeric: true })
}
