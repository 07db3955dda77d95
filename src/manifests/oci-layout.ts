import { join } from 'node:path'
import { type Child, hasDigest, maxManifestBytes, readManifest } from '../claim/manifest.ts'
import { readFoundFile } from '../durable/limited-file.ts'
import { type Digest, isDigest } from '../reference/digest.ts'
import { Refusal } from '../refusal.ts'
import type { FoundManifest, Manifests } from './manifests.ts'

/** A folder, and which of its images is meant: by a name, by its place in index.json, or by its digest; null: the only one. */
interface LayoutPlace {
  folder: string
  which: { name: string } | { index: number } | { digest: Digest } | null
}

/**
 * The manifests of an OCI image layout. `place` is written as skopeo and podman have it after `oci:` (c/image,
 * oci/internal/oci_util.go): DIR, DIR:NAME, DIR:@N; and DIR@DIGEST or DIR:DIGEST, which are ours.
 *
 * Anybody may have made the folder. A digest that was checked names a file below `blobs`, and what is in it counts only
 * if that is its digest; so links, which some build tools put there, lead to nothing that was not asked for.
 * @throws Refusal configuration
 */
export function layoutManifests(place: string): Manifests {
  const { folder, which } = parsePlace(place)
  const byDigest = async (digest: Digest) => {
    const file = join(folder, 'blobs', ...digest.split(':'))
    const bytes = await readIn(file)
    if (!hasDigest(bytes, digest))
      throw new Refusal('manifest', `${file} does not have the digest of its name`)
    return bytes
  }
  const found = async (digest: Digest): Promise<FoundManifest> => ({ digest, bytes: await byDigest(digest) })
  return {
    byDigest,
    async named(wanted) {
      if (which && 'digest' in which) return found(which.digest)
      if (!which && wanted) return found(wanted)
      const file = join(folder, 'index.json')
      const index = readManifest(await readIn(file))
      if (!index.isIndex) throw new Refusal('manifest', `${file} is no index of an OCI layout`)
      return found(choose(index.children, which, file).digest)
    },
  }
}

function choose(children: Child[], which: { name: string } | { index: number } | null, file: string): Child {
  const child = !which
    ? children.length === 1 && children[0]
    : 'name' in which
      ? children.find(({ name }) => name === which.name)
      : children[which.index]
  if (child) return child
  const names = children.flatMap(({ name }) => name ?? [])
  const what = which
    ? `has no ${'name' in which ? which.name : `@${which.index}`}`
    : 'does not have one image'
  const choice = names.length ? names.slice(0, 10).join(', ') : 'none, so give a digest or @N'
  throw new Refusal('configuration', `${file} ${what}; say which with DIR:NAME. Its names: ${choice}`)
}

function parsePlace(place: string): LayoutPlace {
  const [, folderOfDigest, digest = ''] = /^(.+?)[@:]([a-z0-9]+:[0-9a-f]+)$/.exec(place) ?? []
  if (folderOfDigest !== undefined && isDigest(digest)) return { folder: folderOfDigest, which: { digest } }
  const colon = place.indexOf(':')
  const folder = colon < 0 ? place : place.slice(0, colon)
  const name = colon < 0 ? '' : place.slice(colon + 1)
  if (folder === '') throw new Refusal('configuration', 'An OCI layout is written DIR or DIR:NAME')
  const [, index] = /^@([0-9]{1,9})$/.exec(name) ?? []
  if (index !== undefined) return { folder, which: { index: Number(index) } }
  return { folder, which: name === '' ? null : { name } }
}

/** @throws Refusal configuration for what is not there, manifest for what is none */
async function readIn(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array | null
  try {
    bytes = await readFoundFile(file, maxManifestBytes)
  } catch (cause) {
    const reason = `${file} of the OCI layout cannot be read: ${(cause as Error).message}`
    throw new Refusal('configuration', reason, { cause })
  }
  if (!bytes) throw new Refusal('manifest', `${file} of the OCI layout is no file`)
  if (bytes.length > maxManifestBytes)
    throw new Refusal('manifest', `${file} is larger than the ${maxManifestBytes} bytes a manifest may have`)
  return bytes
}
