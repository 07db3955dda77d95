import { open } from 'node:fs/promises'
import { compressionOf } from './compression.ts'
import { isUncompressedBundle } from './read.ts'
import { blockSize } from './tar.ts'

/** Whether a path leads to a bundle, or to a compressed file, by its first octets; what is not there is none. */
export async function isBundleFile(path: string): Promise<boolean> {
  const start = Buffer.alloc(blockSize)
  try {
    const file = await open(path)
    try {
      if (!(await file.stat()).isFile()) return false
      const { bytesRead } = await file.read(start, 0, blockSize, 0)
      return compressionOf(start) !== null || isUncompressedBundle(start.subarray(0, bytesRead))
    } finally {
      await file.close()
    }
  } catch {
    // The import of other files says what is wrong.
    return false
  }
}
