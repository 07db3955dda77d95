import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import { readBundle } from './read.ts'

/**
 * The signatures of a digest at a repository, in the order in which they were added where the bundle is from. The bundle
 * is read to its end, so that what is found is of one that is whole.
 * @throws Refusal bundle-invalid
 */
export async function findInBundle(
  file: AsyncIterable<Uint8Array>,
  repository: Repository,
  digest: Digest,
): Promise<Uint8Array[]> {
  const bundle = await readBundle(file)
  const found: Uint8Array[] = []
  for await (const part of bundle.parts()) {
    if (part.kind !== 'signatures') continue
    for (const entry of part.entries)
      if (entry.repository === repository && entry.digest === digest)
        found.push(part.blobs.get(entry.sha256) as Uint8Array)
  }
  return found
}
