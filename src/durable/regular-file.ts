import { constants } from 'node:fs'
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

/** ELOOP: a link, by O_NOFOLLOW; ENXIO: a socket (open(2)). */
async function openWithoutWaiting(file: string) {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP' || code === 'ENXIO') return null
    throw error
  }
}
