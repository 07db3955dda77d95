import { inflateRawSync, inflateSync, type ZlibOptions } from 'node:zlib'
import { Refusal, type RefusalCode } from '../refusal.ts'

/**
 * What a compressed packet may hold, in octets: a claim of the longest kind (claim/claim.ts) and a signature. With 1 MB
 * of deflate one could otherwise make a gigabyte.
 */
export const maxInflatedSize = 131_072

/** Compression algorithms (RFC 9580, section 9.4). */
const compressionAlgorithm = { uncompressed: 0, zip: 1, zlib: 2, bzip2: 3 } as const

/** The packets in the body of a compressed packet, which must be filled exactly by one complete stream. */
export function decompress(body: Uint8Array): Uint8Array {
  const algorithm = body[0]
  const data = body.subarray(1)
  switch (algorithm) {
    case undefined:
      throw new Refusal('truncated', 'The compressed packet is empty.')
    case compressionAlgorithm.uncompressed:
      return data
    case compressionAlgorithm.zip:
      return inflate(inflateRawSync, data)
    case compressionAlgorithm.zlib:
      return inflate(inflateSync, data)
    default:
      throw new Refusal(
        'compression-unsupported',
        `${compressionName(algorithm)} is not read here; use ZIP or ZLIB.`,
      )
  }
}

function compressionName(algorithm: number): string {
  return algorithm === compressionAlgorithm.bzip2 ? 'BZip2 compression' : `Compression algorithm ${algorithm}`
}

/** Of what node:zlib throws, what the data is to blame for. */
const refusals: Record<string, [RefusalCode, string]> = {
  ERR_BUFFER_TOO_LARGE: [
    'inflated-too-large',
    `The compressed packet holds more than ${maxInflatedSize} octets.`,
  ],
  Z_BUF_ERROR: ['truncated', 'The compressed data ends early.'],
  Z_DATA_ERROR: ['compression-invalid', 'The compressed data is damaged.'],
  Z_NEED_DICT: [
    'compression-invalid',
    'The compressed data asks for a dictionary, which OpenPGP does not have.',
  ],
}

/** With `info`, node:zlib returns the engine too, whose `bytesWritten` is how much of `data` the stream took. */
type Inflate = (data: Uint8Array, options: ZlibOptions) => unknown

function inflate(inflateSync: Inflate, data: Uint8Array): Uint8Array {
  const { buffer, engine } = run(inflateSync, data)
  if (engine.bytesWritten < data.length) {
    throw new Refusal('trailing-data', 'Octets follow the compressed data in its packet.')
  }
  return buffer
}

function run(
  inflateSync: Inflate,
  data: Uint8Array,
): { buffer: Uint8Array; engine: { bytesWritten: number } } {
  try {
    return inflateSync(data, { info: true, maxOutputLength: maxInflatedSize }) as ReturnType<typeof run>
  } catch (cause) {
    const refusal = refusals[(cause as NodeJS.ErrnoException).code ?? '']
    if (refusal === undefined) throw cause
    throw new Refusal(...refusal, { cause })
  }
}
