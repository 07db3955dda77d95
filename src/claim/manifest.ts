import { hash } from 'node:crypto'
import { type Digest, isDigest } from '../reference/digest.ts'
import { Refusal } from '../refusal.ts'
import { type Json, type JsonObject, readJson } from './json.ts'

/** What the bytes of a manifest are. An index (OCI) or manifest list (Docker) names others, one a platform. */
export type Manifest = { isIndex: false } | { isIndex: true; children: Child[] }

/** An entry of an index, in its order. One manifest may have several. */
export interface Child {
  digest: Digest
  mediaType: string
  /** Whether it is an index again, by its media type. */
  isIndex: boolean
  /** `linux/arm64/v8`; null where the index does not say. */
  platform: string | null
  /** What is said about another manifest, in a form that no client runs. */
  isAttestation: boolean
  /** The name it has in an OCI layout (`org.opencontainers.image.ref.name`). */
  name: string | null
}

/** c/image reads no more of a manifest (internal/iolimits, `MaxManifestBodySize`), nor does a registry take more. */
export const maxManifestBytes = 4 * 1024 * 1024

/** Ten times what the largest indexes have; each entry may cost a signature, or the reading of its signatures. */
export const maxChildren = 1000

const ociIndex = 'application/vnd.oci.image.index.v1+json'
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const dockerSchema1 = 'application/vnd.docker.distribution.manifest.v1+json'
const dockerSchema1Signed = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

/** What c/image asks a registry for, in its order (manifest/manifest.go, `DefaultRequestedManifestMIMETypes`). */
export const manifestTypes = [
  ociManifest,
  dockerManifest,
  dockerSchema1Signed,
  dockerSchema1,
  dockerList,
  ociIndex,
] as const

const indexTypes: readonly string[] = [ociIndex, dockerList]
const imageTypes: readonly string[] = [ociManifest, dockerManifest]

/** The members that tell the kinds apart (c/image, internal/manifest/common.go, `ValidateUnambiguousManifestFormat`). */
const notInIndex = ['config', 'fsLayers', 'history', 'layers', 'signatures']
const notInImage = ['fsLayers', 'history', 'manifests', 'signatures']

const topKeys = ['schemaVersion', 'mediaType', 'manifests', ...notInIndex]
const childKeys = ['mediaType', 'digest', 'platform', 'annotations']
const platformKeys = ['os', 'architecture', 'variant']

const referenceType = 'vnd.docker.reference.type'
const referenceName = 'org.opencontainers.image.ref.name'

/**
 * The digest that a registry gives a manifest: SHA-256 of its bytes.
 * @throws Refusal manifest: where they are none, or one that has another digest
 */
export function manifestDigest(bytes: Uint8Array): Digest {
  readManifest(bytes)
  return digestOf(bytes, 'sha256')
}

export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, digest.slice(0, digest.indexOf(':'))) === digest
}

function digestOf(bytes: Uint8Array, algorithm: string): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}` as Digest
}

/**
 * Reads a manifest far enough to know whether it is an index, and of what: by its media type, else by its members, as
 * c/image guesses it (internal/manifest/manifest.go, `GuessMIMEType`). Whoever serves it chooses the Content-Type, which
 * clients go by; so whatever they could take for the other kind is refused, as is JSON that two readers could read
 * differently. Manifests of schema 1 are refused: their digest is of what is left without their signatures.
 * @throws Refusal manifest
 */
export function readManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > maxManifestBytes)
    refuse(`it is larger than ${maxManifestBytes} bytes, which no client reads`)
  const document = readObject(parse(bytes), 'it', topKeys)
  const { schemaVersion, mediaType } = document
  if (schemaVersion === 1) refuse('it is of schema 1; give its digest instead')
  if (schemaVersion !== 2) refuse('it has no schemaVersion 2')
  const isIndex = isIndexByItself(mediaType, document)
  const odd = (isIndex ? notInIndex : notInImage).find((key) => has(document, key))
  if (odd !== undefined) refuse(`it is ${isIndex ? 'an index' : 'of one image'}, and has ${odd} as well`)
  return isIndex ? { isIndex, children: readChildren(document.manifests) } : { isIndex }
}

function isIndexByItself(mediaType: Json | undefined, document: JsonObject): boolean {
  if (typeof mediaType === 'string' && indexTypes.includes(mediaType)) return true
  if (typeof mediaType === 'string' && imageTypes.includes(mediaType)) return false
  return has(document, 'manifests')
}

function has(document: JsonObject, key: string): boolean {
  return document[key] !== undefined && document[key] !== null
}

function readChildren(manifests: Json | undefined): Child[] {
  if (!Array.isArray(manifests)) refuse('it is an index without a list of manifests')
  if (manifests.length > maxChildren)
    refuse(`it lists ${manifests.length} manifests; more than ${maxChildren} are not read`)
  return manifests.map((entry, index) => readChild(entry, `manifests[${index}]`))
}

function readChild(entry: Json, place: string): Child {
  const { digest, mediaType, platform, annotations } = readObject(entry, place, childKeys)
  if (typeof digest !== 'string' || !isDigest(digest)) refuse(`${place} has no digest that clients can check`)
  if (typeof mediaType !== 'string') refuse(`${place} has no mediaType`)
  const text = readPlatform(platform, `${place}.platform`)
  const notes = readObject(annotations ?? {}, `${place}.annotations`, [])
  return {
    digest,
    mediaType,
    isIndex: indexTypes.includes(mediaType),
    platform: text,
    // Both, as BuildKit writes it: an image that a client would run must not pass for one by its annotation.
    isAttestation: notes[referenceType] === 'attestation-manifest' && text === 'unknown/unknown',
    name: typeof notes[referenceName] === 'string' ? notes[referenceName] : null,
  }
}

function readPlatform(platform: Json | undefined, place: string): string | null {
  if (platform === undefined || platform === null) return null
  const { os, architecture, variant = null } = readObject(platform, place, platformKeys)
  const isText = typeof os === 'string' && typeof architecture === 'string'
  if (!isText || (variant !== null && typeof variant !== 'string'))
    refuse(`${place} needs os and architecture, in quotes`)
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`
}

/** Clients in Go take a key in any case, so that `Manifests` would be another list than the one that is read here. */
function readObject(value: Json, place: string, known: readonly string[]): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${place} is no object`)
  const names = new Map(known.map((key) => [fold(key), key]))
  for (const key of Object.keys(value)) {
    const name = names.get(fold(key))
    if (name !== undefined && name !== key) refuse(`${place} has "${key}", which clients take for ${name}`)
  }
  return value
}

/** As Go compares the keys of JSON (encoding/json, `foldName`): the long s is an s, the sign of Kelvin a k. */
function fold(key: string): string {
  return key.toLowerCase().toUpperCase()
}

function parse(bytes: Uint8Array): Json {
  try {
    return readJson(bytes)
  } catch (cause) {
    throw new Refusal('manifest', `This is no manifest: ${(cause as Error).message}`, { cause })
  }
}

function refuse(reason: string): never {
  throw new Refusal('manifest', `This is no manifest that can be signed or verified: ${reason}`)
}
