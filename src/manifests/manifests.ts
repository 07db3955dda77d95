import type { Digest } from '../reference/digest.ts'

/** What a place that has the manifests of an image is asked for. The bytes that it returns have the digest that it says. */
export interface Manifests {
  /** The one that the image names there; where a digest is wanted, that one, or else what the place has instead. */
  named(wanted: Digest | null): Promise<FoundManifest>
  byDigest(digest: Digest): Promise<Uint8Array>
}

export interface FoundManifest {
  digest: Digest
  bytes: Uint8Array
}
