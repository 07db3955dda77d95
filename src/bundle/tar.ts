/**
 * Of the tar format (POSIX.1-2017, pax, "ustar Interchange Format") just what a bundle needs: regular files with short
 * names, all of one owner, mode and time. There is one header for a name and a size, so that a reader who knows both
 * compares octets: links, devices, paths that climb, pax records and whatever else a header can say is another header.
 */

export const blockSize = 512

/** What fits the name field: no prefix is used. */
const maxName = 100

/** Eleven octal digits. */
const maxSize = 8 ** 11 - 1

export function tarHeader(name: string, size: number): Buffer {
  if (name.length > maxName || size > maxSize) throw new RangeError(`${name} of ${size} bytes fits no header`)
  const header = Buffer.alloc(blockSize)
  const field = (offset: number, text: string) => header.write(text, offset, 'latin1')
  field(0, name)
  field(100, octal(0o644, 8))
  field(108, octal(0, 8))
  field(116, octal(0, 8))
  field(124, octal(size, 12))
  field(136, octal(0, 12))
  // The checksum is taken with its own field blank.
  field(148, ' '.repeat(8))
  field(156, '0')
  field(257, 'ustar\x0000')
  const checksum = header.reduce((sum, octet) => sum + octet, 0)
  field(148, `${checksum.toString(8).padStart(6, '0')}\0 `)
  return header
}

/** The zeros between the end of a file and the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize)
}

/** What stands behind the last file. */
export const tarEnd = Buffer.alloc(2 * blockSize)

/** The name and size that a header gives, whatever else is wrong with it; null where it gives none. */
export function readTarHeader(header: Buffer): { name: string; size: number } | null {
  const name = header.toString('latin1', 0, maxName).replace(/\0.*$/s, '')
  const size = header.toString('latin1', 124, 136)
  if (!name || !/^[0-7]{11}\0$/.test(size)) return null
  return { name, size: Number.parseInt(size, 8) }
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}
