import { Refusal } from '../refusal.ts'

declare const checked: unique symbol

/** `sha256:<hex>`, `sha384:<hex>` or `sha512:<hex>`: lower-case, of the exact length, one spelling per value. */
export type Digest = string & { readonly [checked]: 'Digest' }

/**
 * The algorithms clients can check, as registered in opencontainers/go-digest, with the length of their hex.
 * Upper-case hex is refused there too: a second spelling would be a second place for the same image.
 */
const pattern = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/

/** Whether it is a digest in its one spelling. */
export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/** @throws Refusal bad-digest */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new Refusal(
    'bad-digest',
    `"${text.slice(0, 160)}" is not a digest: write sha256:, sha384: or sha512: and all of its lower-case hex.`,
  )
}
