import { invalid } from './head.ts'

/** Takes a stream apart; what it holds is what was asked for, and a piece of the stream. */
export interface Octets {
  /** @throws Refusal bundle-invalid where the stream ends before */
  take(size: number): Promise<Buffer>
  /** Reads on to the end, where nothing but some zeros may stand. @throws Refusal bundle-invalid */
  end(): Promise<void>
  /** Leaves what follows unread. */
  close(): Promise<void>
}

/** GNU tar fills up to 10,240 octets, and can be told to fill more. */
const maxZerosAtEnd = 1024 * 1024

export function octetsOf(source: AsyncIterable<Uint8Array>): Octets {
  const iterator = source[Symbol.asyncIterator]()
  let rest: Uint8Array = Buffer.alloc(0)

  /** False at the end of the stream. */
  const more = async (): Promise<boolean> => {
    const { done, value } = await iterator.next()
    if (done) return false
    rest = value
    return true
  }

  return {
    async take(size) {
      const taken = Buffer.allocUnsafe(size)
      let length = 0
      while (length < size) {
        if (!rest.length && !(await more())) throw invalid('it is cut off: the archive ends too early')
        const piece = rest.subarray(0, size - length)
        taken.set(piece, length)
        length += piece.length
        rest = rest.subarray(piece.length)
      }
      return taken
    },
    async end() {
      let length = 0
      do {
        length += rest.length
        if (length > maxZerosAtEnd || rest.some((octet) => octet !== 0))
          throw invalid('something follows the end of the archive')
      } while (await more())
    },
    async close() {
      await iterator.return?.()
    },
  }
}
