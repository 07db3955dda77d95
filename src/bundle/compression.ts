import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { invalid } from './head.ts'

export const compressions = ['zstd', 'gzip', 'none'] as const
export type Compression = (typeof compressions)[number]

const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
const gzipMagic = Buffer.from([0x1f, 0x8b])

/** As names of archives say it; zstd where they say nothing. */
export function compressionFor(name: string): Compression {
  if (/\.(?:tar\.gz|tgz)$/i.test(name)) return 'gzip'
  return /\.tar$/i.test(name) ? 'none' : 'zstd'
}

/** Null where the first octets are those of no compressed file. */
export function compressionOf(start: Uint8Array): Exclude<Compression, 'none'> | null {
  const startsWith = (magic: Buffer) => magic.equals(start.subarray(0, magic.length))
  if (startsWith(zstdMagic)) return 'zstd'
  return startsWith(gzipMagic) ? 'gzip' : null
}

/** The same octets for the same content, by the same version of the library; gzip has no time in its header here. */
export function compress(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> {
  if (compression === 'none') return content
  return through(
    content,
    compression === 'gzip'
      ? createGzip()
      : createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  )
}

/** 8 MiB: what zstd needs up to level 19. A file can ask its reader for 2 GiB. */
const maxWindowLog = 23

/**
 * What is in a file, compressed or not. It is read as far as the result is.
 * @throws Refusal bundle-invalid
 */
export async function* decompress(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { start, whole } = await peek(file, zstdMagic.length)
  const compression = compressionOf(start)
  if (!compression) return yield* whole
  const transform =
    compression === 'gzip'
      ? createGunzip()
      : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } })
  try {
    yield* through(whole, transform)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!/^(?:Z|ZSTD)_/.test(code ?? '')) throw error
    throw invalid(`its ${compression} data is damaged or cut off: ${message}`, error)
  }
}

function through(content: AsyncIterable<Uint8Array>, transform: Transform): AsyncIterable<Uint8Array> {
  // What goes wrong comes out of the transform, too.
  pipeline(Readable.from(content, { objectMode: false }), transform, () => {})
  return transform
}

/** The first octets, or all where there are fewer; and everything, from the first one on. */
async function peek(
  file: AsyncIterable<Uint8Array>,
  size: number,
): Promise<{ start: Uint8Array; whole: AsyncGenerator<Uint8Array> }> {
  const iterator = file[Symbol.asyncIterator]()
  let start: Uint8Array = Buffer.alloc(0)
  while (start.length < size) {
    const { done, value } = await iterator.next()
    if (done) break
    start = Buffer.concat([start, value])
  }
  const whole = async function* () {
    try {
      if (start.length) yield start
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { start, whole: whole() }
}
