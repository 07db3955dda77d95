import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * Reads a file in a folder that anybody may have filled. Nothing but a regular file is read: a link could lead
 * anywhere, and a pipe would never end.
 * @returns null for what is no regular file
 * @throws errors of the file system, ENOENT among them
 */
export async function readRegularFile(file: string): Promise<Buffer | null> {
  const handle = await openWithoutWaiting(file)
  if (!handle) return null
  try {
    return (await handle.stat()).isFile() ? await handle.readFile() : null
  } finally {
    await handle.close()
  }
}

/** The same, for a thread of which nobody waits for an answer. */
export function readRegularFileHere(file: string): Buffer | null {
  let descriptor: number
  try {
    descriptor = openSync(file, flags)
  } catch (error) {
    if (isOther(error)) return null
    throw error
  }
  try {
    return fstatSync(descriptor).isFile() ? readFileSync(descriptor) : null
  } finally {
    closeSync(descriptor)
  }
}

const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

async function openWithoutWaiting(file: string) {
  try {
    return await open(file, flags)
  } catch (error) {
    if (isOther(error)) return null
    throw error
  }
}

/** ELOOP: a link, by O_NOFOLLOW; ENXIO: a socket (open(2)). */
function isOther(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ELOOP' || code === 'ENXIO'
}
