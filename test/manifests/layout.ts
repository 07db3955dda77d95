import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, parseDigest } from '../../src/reference/digest.ts'

export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'

/** An entry of an index; members that are undefined are left out. */
export interface Entry {
  mediaType?: string
  digest: string
  platform?: unknown
  annotations?: unknown
}

export function json(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document))
}

export function indexOf(manifests: unknown, more: Record<string, unknown> = {}): Buffer {
  return json({ schemaVersion: 2, mediaType: ociIndex, manifests, ...more })
}

/** Of an image; another text makes another one. */
export function imageManifest(text: string): Buffer {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(text), size: 2 }
  return json({ schemaVersion: 2, mediaType: ociManifest, config, layers: [] })
}

export function digestOf(bytes: string | Uint8Array): Digest {
  return parseDigest(`sha256:${hash('sha256', bytes, 'hex')}`)
}

export function entryOf(bytes: Uint8Array, platform?: string, mediaType = ociManifest): Entry {
  const [os, architecture, variant] = platform?.split('/') ?? []
  return {
    mediaType,
    digest: digestOf(bytes),
    ...(platform !== undefined && { platform: { os, architecture, variant } }),
  }
}

export const attestation = { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }

/** An OCI layout with these blobs, whose index.json has these entries. */
export function writeLayout(folder: string, entries: Entry[], blobs: Uint8Array[]): string {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  for (const bytes of blobs) writeFileSync(join(folder, 'blobs', digestOf(bytes).replace(':', '/')), bytes)
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), json({ schemaVersion: 2, manifests: entries }))
  return folder
}

export const named = (entry: Entry, name: string): Entry => ({
  ...entry,
  annotations: { 'org.opencontainers.image.ref.name': name },
})
