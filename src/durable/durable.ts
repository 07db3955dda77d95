import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fsync,
  fsyncSync,
  futimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** Durable writing: what these functions have returned from survives a crash of the machine. */

/**
 * Puts a whole file in place of whatever was there: a reader sees the old one or the new one. One writer a file at a
 * time; what an interrupted one left behind is overwritten.
 */
export async function replaceFile(
  file: string,
  content: string | AsyncIterable<Uint8Array>,
  mode: number,
): Promise<void> {
  const unfinished = join(dirname(file), `.${basename(file)}.new`)
  await rm(unfinished, { force: true })
  const handle = await open(unfinished, 'wx', mode)
  try {
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
  await syncFolder(dirname(file))
}

/** What takes the disk its time is waited for. All else is done at once, which is a third of the work. */
const syncDescriptor = promisify(fsync)

/**
 * The same for many small files: the unfinished one lies in `staging`, on the same file system, and the caller syncs the
 * folder (`syncFolder`) once for all that it put there. It is for threads of which nobody waits for an answer.
 */
export async function placeFile(
  file: string,
  content: Uint8Array | string,
  staging: string,
  /** Unix seconds; absent: now. */
  modified?: number,
): Promise<void> {
  const unfinished = join(staging, randomUUID())
  const descriptor = openSync(unfinished, 'wx', 0o644)
  try {
    try {
      writeFileSync(descriptor, content)
      if (modified !== undefined) futimesSync(descriptor, modified, modified)
      await syncDescriptor(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(unfinished, file)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
}

/**
 * Gives a file that is on disk its name; one that is taken stays whose it is.
 * @throws EEXIST
 */
export async function publishFile(unfinished: string, file: string): Promise<void> {
  try {
    await link(unfinished, file)
    await rm(unfinished)
  } catch (error) {
    if (!withoutLinks.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    // The caller has seen that the name is free; nothing more can be had there.
    await rename(unfinished, file)
  }
  await syncFolder(dirname(file))
}

/** What file systems without hard links say (FAT, some network shares). */
const withoutLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** Moves a file to a name that may be taken by an equal one; both folders are on disk when it returns. */
export async function moveFile(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
  await syncFolder(dirname(from))
}

/** Makes a folder and those above it that are missing, each with its name on disk. */
export async function makeFolder(folder: string): Promise<void> {
  for (const made of makeUnsynced(folder)) await syncFolder(dirname(made))
}

/** The same, for what must be there before anything can wait. */
export function makeFolderSync(folder: string, mode?: number): void {
  for (const made of makeUnsynced(folder, mode)) syncFolderSync(dirname(made))
}

/**
 * The same, but no name is on disk yet. Returns what was missing, the highest first. The recursion of Node's own mkdir
 * never ends below a folder that was removed while it is mounted, or somebody's working directory: it is there, and
 * nothing can be made in it.
 */
export function makeUnsynced(folder: string, mode?: number): string[] {
  if (isFolder(folder)) return []
  const above = dirname(folder) === folder ? [] : makeUnsynced(dirname(folder), mode)
  try {
    mkdirSync(folder, mode)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (isFolder(folder)) return above
    throw error
  }
  return [...above, folder]
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

function syncFolderSync(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const descriptor = openSync(folder, 'r')
  try {
    await syncDescriptor(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
