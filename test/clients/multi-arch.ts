import { createHash } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeImage } from './image.ts'

export interface MultiArchImage {
  /** An OCI image layout with the index, called `app`. */
  layout: string
  /** Of the index. */
  digest: string
  /** Of the manifests in it, by platform. */
  children: Record<'linux/amd64' | 'linux/arm64/v8' | 'unknown/unknown', string>
}

/** An image for two platforms with an attestation, as BuildKit makes them. */
export function writeMultiArchImage(layout: string, text: string): MultiArchImage {
  const child = (platform: string) => writeImage(layout, `${text} for ${platform}`).digest
  const children = {
    'linux/amd64': child('linux/amd64'),
    'linux/arm64/v8': child('linux/arm64/v8'),
    'unknown/unknown': child('unknown/unknown'),
  }
  const manifests = Object.entries(children).map(([platform, digest]) => {
    const [os, architecture, variant] = platform.split('/')
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': children['linux/amd64'],
    }
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: statSync(blob(layout, digest)).size,
      platform: { architecture, os, variant },
      ...(os === 'unknown' && { annotations }),
    }
  })
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests })
  const digest = `sha256:${createHash('sha256').update(index).digest('hex')}`
  writeFileSync(blob(layout, digest), index)
  const entry = { mediaType, digest, size: Buffer.byteLength(index) }
  const annotations = { 'org.opencontainers.image.ref.name': 'app' }
  const layoutIndex = { schemaVersion: 2, manifests: [{ ...entry, annotations }] }
  writeFileSync(join(layout, 'index.json'), JSON.stringify(layoutIndex))
  return { layout, digest, children }
}

/** The file of a blob in a layout. */
export function blob(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'))
}
