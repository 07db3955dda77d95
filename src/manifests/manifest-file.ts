import { hasDigest, manifestDigest, maxManifestBytes } from '../claim/manifest.ts'
import { readNamedFile, readStart } from '../durable/limited-file.ts'
import { Refusal } from '../refusal.ts'
import type { Manifests } from './manifests.ts'

/**
 * A manifest in a file or pipe, as `skopeo inspect --raw` prints it; `-`: on standard input. There are no others beside it.
 * @throws Refusal configuration
 */
export function fileManifests(file: string): Manifests {
  return {
    async named(wanted) {
      const bytes = await readInput(file)
      const digest = wanted !== null && hasDigest(bytes, wanted) ? wanted : manifestDigest(bytes)
      return { digest, bytes }
    },
    async byDigest(digest) {
      const reason = `${file} names another index, ${digest}, which is not there: --from-registry or --oci-layout finds it`
      throw new Refusal('configuration', reason)
    },
  }
}

async function readInput(file: string): Promise<Uint8Array> {
  try {
    return file === '-'
      ? await readStart(process.stdin, maxManifestBytes)
      : await readNamedFile(file, maxManifestBytes)
  } catch (cause) {
    throw new Refusal('configuration', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
