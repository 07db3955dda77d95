import assert from 'node:assert/strict'
import { readBundle, type UntrustedBundle } from '../../src/bundle/read.ts'
import { piecesOf } from './stores.ts'

/** Reads a bundle to its end; returns how many lines it has. */
export const readAll = async (bundle: AsyncIterable<Uint8Array>) => readParts(await readBundle(bundle))

export async function readParts(bundle: UntrustedBundle): Promise<number> {
  let count = 0
  for await (const part of bundle.parts())
    count += part.kind === 'signatures' ? part.entries.length : part.gone.length
  return count
}

export const refused = (bundle: Uint8Array | AsyncIterable<Uint8Array>, detail: RegExp) =>
  assert.rejects(readAll(bundle instanceof Uint8Array ? piecesOf(bundle) : bundle), (error: any) => {
    assert.equal(error.code, 'bundle-invalid', String(error.stack))
    assert.match(error.message, detail)
    return true
  })
