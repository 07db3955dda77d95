import { maxBlobBytes } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import type { Fetch, Fetched } from './source.ts'
import { AnswerTooLong } from './trouble.ts'

export type FetchedBlob = Omit<Fetched, 'body'> & { body: Buffer | Refusal }

/**
 * Asks for one signature. Where it is longer than any that clients read, the signature is to be refused, and nothing is
 * wrong with the source: one such file would else keep it from ever being read to its end.
 * @throws as `Fetch`
 */
export async function fetchBlob(
  fetch: Fetch,
  path: string,
  options: Omit<Parameters<Fetch>[1], 'maxBytes'>,
): Promise<FetchedBlob> {
  try {
    return await fetch(path, { ...options, maxBytes: maxBlobBytes })
  } catch (error) {
    if (!(error instanceof AnswerTooLong)) throw error
    const body = new Refusal(
      'too-large',
      `It is longer than ${error.maxBytes} bytes, and clients read no more`,
    )
    return { ...error.answer, body }
  }
}
