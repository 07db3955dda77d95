import { hash } from 'node:crypto'
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

/**
 * The digest that a registry gives a manifest: SHA-256 of its bytes. A signed manifest of schema 1 is refused: its
 * digest is of what is left without its signatures, and nobody makes such images any more.
 * @throws Refusal manifest
 */
export function manifestDigest(manifest: Uint8Array): Digest {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder().decode(manifest))
  } catch (cause) {
    throw new Refusal('manifest', 'This is no manifest: it is not JSON', { cause })
  }
  const { schemaVersion } = (document ?? {}) as { schemaVersion?: unknown }
  if (schemaVersion === 1)
    throw new Refusal('manifest', 'This is a manifest of schema 1; give its digest instead')
  if (schemaVersion !== 2) throw new Refusal('manifest', 'This is no manifest: it has no schemaVersion 2')
  return `sha256:${hash('sha256', manifest, 'hex')}` as Digest
}
