import { type ImageReference, parseReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'

/** c/image counts host and path together (docker/reference/reference.go, `NameTotalLengthMax`). */
const maxNameLength = 255

/** `quay.io/team/app`: host and path, without tag and digest. */
export function nameOf({ host, path }: ImageReference): string {
  return `${host}/${path}`
}

export function isNameOnly({ tag, digest }: ImageReference): boolean {
  return tag === undefined && digest === undefined
}

/** Whether c/image takes it for a registry host: its docker/reference is older than the one `parseReference` follows. */
export function isClientHost(host: string): boolean {
  return !host.startsWith('[') && (host === 'localhost' || /[.:]/.test(host))
}

/** Whether c/image can read this reference; to it, what it cannot read matches nothing. */
export function isClientReference(reference: ImageReference): boolean {
  return isClientHost(reference.host) && nameOf(reference).length <= maxNameLength
}

/** Reads a reference as c/image does, defaults written out; refuses what c/image does not read, with the reason. */
export function parseClientReference(text: string): ImageReference {
  const reference = parseReference(text)
  if (!isClientHost(reference.host)) {
    throw new Refusal(
      'bad-reference',
      `podman and skopeo do not take "${reference.host}" for a registry host.`,
    )
  }
  if (!isClientReference(reference)) {
    throw new Refusal('bad-reference', `Host and path have more than ${maxNameLength} characters together.`)
  }
  return reference
}
