import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { imagesSource } from '../../src/mirror/images.ts'
import { ca, type HttpsServer, httpsServer } from '../manifests/https-server.ts'
import { digestOf, entryOf, imageManifest, indexOf } from '../manifests/layout.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { heldIn, newStaticCopy, type StaticCopy } from './static-copy.ts'
import { type TreeServer, treeServer } from './tree-server.ts'

const folder = temporaryFolder()
const authFile = join(folder, 'auth.json')
writeFileSync(authFile, '{"auths":{}}')
export const [amd, arm, lone, late] = ['amd64', 'arm64', 'riscv64', 's390x'].map(imageManifest) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
]
export const index = indexOf([entryOf(amd, 'linux/amd64'), entryOf(arm, 'linux/arm64')])

/** What a registry has: manifests by tag, in `team/app`. */
type Tags = Record<string, Buffer>

export interface MirroredImages extends StaticCopy {
  tree: TreeServer
  registry: HttpsServer
  tags: Tags
  /** Signs manifests, at `team/app` or elsewhere. */
  sign(...manifests: Buffer[]): void
  name(...lines: string[]): void
  /** One round. */
  round(): Promise<void>
  /** Whether the copy has signatures of just these manifests. */
  hasOnly(...manifests: Buffer[]): Promise<void>
  /** What the registry was asked since this was last called. */
  asked(): string[]
}

let files = 0
let signed = 0

export async function mirrored(
  tags: Tags,
  { odd }: { odd?: () => RequestListener | null } = {},
): Promise<MirroredImages> {
  const registry = await httpsServer((request, response) => (odd?.() ?? registryOf(tags))(request, response))
  const tree = await treeServer('')
  const copy = await newStaticCopy(tree.from)
  const images = join(folder, `images-${++files}`)
  const access = {
    env: { HOME: folder },
    authFile,
    ca,
    userAgent: 'lookaside/test',
  }
  const source = imagesSource({ fetch: copy.fetch, images, registry: access })
  return {
    ...copy,
    tree,
    registry,
    tags,
    sign(...manifests) {
      for (const manifest of manifests) {
        const digest = digestOf(manifest)
        const reference = `${registry.host}/team/app:1`
        tree.files.set(`${pathOf(manifest)}/signature-1`, {
          blob: newBlob({ digest, reference }),
          modified: ++signed * 1000,
        })
      }
    },
    name: (...lines) => writeFileSync(images, lines.join('\n').replaceAll('REGISTRY', registry.host)),
    round: () => copy.copy(source),
    async hasOnly(...manifests) {
      const wanted = new Set(manifests.map((manifest) => `${pathOf(manifest)}/signature-1`))
      const blobs = [...tree.files]
        .filter(([path]) => wanted.has(path))
        .map(([path, { blob }]) => [path, blob] as const)
      assert.equal(blobs.length, manifests.length)
      assert.deepEqual(await copy.held(), heldIn(new Map(blobs)))
    },
    asked: () =>
      registry.asked
        .splice(0)
        .map(({ what }) => what)
        .sort(),
  }
}

export const pathOf = (manifest: Buffer) => `team/app@${digestOf(manifest).replace(':', '=')}`

export function registryOf(tags: Tags): RequestListener {
  return ({ url = '', method }, response) => {
    const { pathname, searchParams } = new URL(url, 'https://registry.example')
    if (pathname === '/v2/') return response.end('{}')
    if (pathname === '/v2/team/app/tags/list') {
      // Two at a time, whatever is asked for.
      const names = Object.keys(tags)
        .sort()
        .filter((tag) => tag > (searchParams.get('last') ?? ''))
      const [, last, next] = names
      if (next) response.setHeader('link', `</v2/team/app/tags/list?last=${last}&n=2>; rel="next"`)
      return response.end(JSON.stringify({ name: 'team/app', tags: names.slice(0, 2) }))
    }
    const wanted = /^\/v2\/team\/app\/manifests\/(.+)$/.exec(pathname)?.[1] ?? ''
    const known = [...Object.values(tags), amd, arm, index]
    const manifest = tags[wanted] ?? known.find((bytes) => digestOf(bytes) === wanted)
    if (!manifest) return response.writeHead(404).end()
    response.setHeader('docker-content-digest', digestOf(manifest))
    return method === 'HEAD' ? response.end() : response.end(manifest)
  }
}
