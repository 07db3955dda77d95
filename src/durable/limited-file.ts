import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/**
 * Reads a file or pipe that the user named. Of a larger one, a single byte beyond `maxBytes` is returned.
 * @throws errors of the file system
 */
export async function readNamedFile(file: string, maxBytes: number): Promise<Uint8Array> {
  return readStart(await open(file), maxBytes)
}

/**
 * The same for a file in a folder that somebody else may have filled: a pipe or device there might never end. Links are
 * followed, so the caller shows nothing of what he has not found to be what he asked for.
 * @returns null for what is no file
 * @throws errors of the file system, ENOENT among them
 */
export async function readFoundFile(file: string, maxBytes: number): Promise<Uint8Array | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return readStart(handle, maxBytes)
  await handle.close()
  return null
}

/** Closes the file. */
async function readStart(handle: FileHandle, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  // `end` is itself read.
  for await (const chunk of handle.createReadStream({ end: maxBytes })) chunks.push(chunk)
  return Buffer.concat(chunks)
}
