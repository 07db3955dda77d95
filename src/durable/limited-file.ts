import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/**
 * Reads a file or pipe that the user named. Of a larger one, a single byte beyond `maxBytes` is returned.
 * @throws errors of the file system
 */
export async function readNamedFile(file: string, maxBytes: number): Promise<Uint8Array> {
  return readOpened(await open(file), maxBytes)
}

/**
 * The same for a file in a folder that somebody else may have filled: a pipe or device there might never end. Links are
 * followed, so the caller shows nothing of what he has not found to be what he asked for.
 * @returns null for what is no file
 * @throws errors of the file system, ENOENT among them
 */
export async function readFoundFile(file: string, maxBytes: number): Promise<Uint8Array | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return readOpened(handle, maxBytes)
  await handle.close()
  return null
}

/** The same of what comes on a stream. */
export async function readStart(content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of content) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) break
  }
  return Buffer.concat(chunks).subarray(0, maxBytes + 1)
}

/** Closes the file. */
async function readOpened(handle: FileHandle, maxBytes: number): Promise<Uint8Array> {
  // `end` is itself read.
  return readStart(handle.createReadStream({ end: maxBytes }), maxBytes)
}
