import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newSigningKey } from '../mirror/signing-key.ts'
import { newDigest, signaturesPerDigest } from './data-folder.ts'
import { progress } from './report.ts'

/**
 * Signatures by a real key, made before anything is measured: to make one costs more than to send it. The key is
 * Ed25519, which gpg makes from 2.3 on unless told otherwise, and which takes longest to verify of the usual kinds.
 */
export interface Signed {
  /** A policy.json that trusts the key, and no other one. */
  policy: string
  /** Files for `readBlobs`, each of that many, two a digest. No two signatures are alike, in whatever files. */
  batches(count: number, size: number): string[]
}

export const algorithm = 'Ed25519'

export function signedBlobs(folder: string): Signed {
  const key = newSigningKey(folder, 'signer')
  let made = 0
  let files = 0
  let digest = newDigest()
  const sign = () => {
    if (made++ % signaturesPerDigest === 0) digest = newDigest()
    // Another tag each: the latest of a key that says the same would take the place of the one before.
    return key.sign(made, { repository: `team/app${digest.slice(-2)}`, digest })
  }
  return {
    policy: key.policy,
    batches: (count, size) =>
      Array.from({ length: count }, (_, batch) => {
        const blobs = Array.from({ length: size }, sign)
        const file = join(folder, `signed-${files++}`)
        writeFileSync(file, Buffer.concat(blobs.flatMap((blob) => [lengthOf(blob), blob])))
        progress('signing', batch + 1, count)
        return file
      }),
  }
}

function lengthOf(blob: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(blob.length)
  return length
}

export function readBlobs(file: string): Buffer[] {
  const bytes = readFileSync(file)
  const blobs: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at)
    blobs.push(bytes.subarray(at + 4, end))
    at = end
  }
  return blobs
}
