import { readFile } from 'node:fs/promises'
import { type Digest, manifestDigest, parseDigest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'

/** Ways to say which manifest is meant. */
export interface DigestOptions {
  digest?: string
  manifest?: string
}

/** What an image is called: by its tag if it has one, else by its digest. c/image refuses both at once. */
export function identityOf({ tag, digest, ...name }: ImageReference): ImageReference {
  return tag !== undefined ? { ...name, tag } : { ...name, ...(digest !== undefined && { digest }) }
}

/** @throws Refusal configuration where nothing says it, or two say different things */
export async function digestOf(image: ImageReference, { digest, manifest }: DigestOptions): Promise<Digest> {
  const found = [
    ...(image.digest !== undefined ? [image.digest] : []),
    ...(digest !== undefined ? [parseDigest(digest)] : []),
    ...(manifest !== undefined ? [manifestDigest(await readInput(manifest))] : []),
  ]
  const [first, ...others] = found
  if (first === undefined)
    throw new Refusal(
      'configuration',
      'Name what is meant: NAME:TAG@DIGEST, --digest, or --manifest with what skopeo inspect --raw prints',
    )
  const other = others.find((candidate) => candidate !== first)
  if (other !== undefined) throw new Refusal('configuration', `The digest is ${first} or ${other}, not both`)
  return first
}

async function readInput(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new Refusal('configuration', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
