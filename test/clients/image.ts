import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

export interface Image {
  /** An OCI image layout. */
  layout: string
  /** Of its manifest. */
  digest: string
}

/** Writes an image of one layer with one file of this text to `layout`; another text makes another image. */
export function writeImage(layout: string, text: string): Image {
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  const archive = tar('greeting', text)
  const layer = addBlob(layout, gzipSync(archive), 'application/vnd.oci.image.layer.v1.tar+gzip')
  const config = addBlob(
    layout,
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(archive)] },
    }),
    'application/vnd.oci.image.config.v1+json',
  )
  const manifest = addBlob(
    layout,
    JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] }),
    mediaType,
  )
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }))
  return { layout, digest: manifest.digest }
}

const mediaType = 'application/vnd.oci.image.manifest.v1+json'

function addBlob(layout: string, content: string | Uint8Array, mediaType: string) {
  const digest = digestOf(content)
  writeFileSync(join(layout, 'blobs', digest.replace(':', '/')), content)
  return { mediaType, digest, size: Buffer.byteLength(content) }
}

function digestOf(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

const blockSize = 512

/** A ustar archive of one file. */
function tar(name: string, text: string): Uint8Array {
  const content = Buffer.from(text)
  const header = Buffer.alloc(blockSize)
  const fields: [offset: number, value: string][] = [
    [0, name],
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
    [124, `${content.length.toString(8).padStart(11, '0')}\0`],
    [136, '00000000000\0'],
    // The checksum is taken with its own field blank.
    [148, '        '],
    [156, '0'],
    [257, 'ustar\x0000'],
  ]
  for (const [offset, value] of fields) header.write(value, offset)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize)
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * blockSize)])
}
