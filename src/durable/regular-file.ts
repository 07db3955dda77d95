import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Reads a file in a folder that anybody may have filled. Nothing but a regular file is read: a link could lead
 * anywhere, and a pipe would never end. It is done at once, for programs and threads of which no reader waits.
 * @returns null for what is no regular file
 * @throws errors of the file system, ENOENT among them
 */
export function readRegularFile(file: string): Buffer | null {
  const descriptor = openWithoutWaiting(file)
  if (descriptor === null) return null
  try {
    return fstatSync(descriptor).isFile() ? readFileSync(descriptor) : null
  } finally {
    closeSync(descriptor)
  }
}

/** ELOOP: a link, by O_NOFOLLOW; ENXIO: a socket (open(2)). */
function openWithoutWaiting(file: string): number | null {
  try {
    return openSync(file, flags)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP' || code === 'ENXIO') return null
    throw error
  }
}
