import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { maxManifestBytes } from '../../src/claim/manifest.ts'
import { findManifests } from '../../src/manifests/instances.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { temporaryFolder } from '../temporary.ts'
import {
  attestation,
  digestOf,
  type Entry,
  entryOf,
  imageManifest,
  indexOf,
  named,
  ociIndex,
  writeLayout,
} from './layout.ts'
import { refusal } from './refusals.ts'

const folder = temporaryFolder()
let layouts = 0
const newLayout = (entries: Entry[], blobs: Uint8Array[]) =>
  writeLayout(join(folder, `layout-${++layouts}`), entries, blobs)

const find = (place: string, image = 'quay.io/team/app:1') =>
  findManifests(parseReference(image), { kind: 'oci-layout', place })

const amd = imageManifest('amd64')
const arm = imageManifest('arm64')
const index = indexOf([entryOf(amd, 'linux/amd64'), entryOf(arm, 'linux/arm64/v8')])
const instance = (bytes: Uint8Array, platform: string | null) => ({
  digest: digestOf(bytes),
  platform,
  isAttestation: false,
})
const both = {
  digest: digestOf(index),
  isIndex: true,
  instances: [instance(amd, 'linux/amd64'), instance(arm, 'linux/arm64/v8')],
}
const single = { digest: digestOf(amd), isIndex: false, instances: [instance(amd, null)] }

test('an image of a layout is named as skopeo names it, and by its digest', async () => {
  const layout = newLayout(
    [named(entryOf(index, undefined, ociIndex), 'all'), named(entryOf(amd), 'quay.io/team/app:amd')],
    [index, amd, arm],
  )
  assert.deepEqual(await find(`${layout}:all`), both)
  assert.deepEqual(await find(`${layout}:@0`), both)
  assert.deepEqual(await find(`${layout}:${digestOf(index)}`), both)
  assert.deepEqual(await find(`${layout}@${digestOf(index)}`), both)
  assert.deepEqual(await find(layout, `quay.io/team/app@${digestOf(index)}`), both)
  assert.deepEqual(await find(`${layout}:quay.io/team/app:amd`), single)
  assert.deepEqual(await find(`${layout}:@1`), single)
  for (const place of [layout, `${layout}:`, `${layout}:other`, `${layout}:@2`, `${layout}:@-1`])
    await assert.rejects(find(place), refusal('configuration', /Its names: all, quay.io\/team\/app:amd/))
  await assert.rejects(
    find(`${layout}:all`, `quay.io/team/app@${digestOf(amd)}`),
    refusal('configuration', /not both/),
  )
  await assert.rejects(find(''), refusal('configuration', /is written DIR/))
  await assert.rejects(find(join(folder, 'nowhere')), refusal('configuration', /cannot be read/))
})

test('a single image needs no name', async () => {
  assert.deepEqual(await find(newLayout([entryOf(amd)], [amd])), single)
})

test('what is in a blob counts only if its name is its digest', async () => {
  const layout = newLayout([entryOf(index, undefined, ociIndex)], [index])
  writeFileSync(join(layout, 'blobs', digestOf(index).replace(':', '/')), indexOf([entryOf(amd)]))
  await assert.rejects(find(layout), refusal('manifest', /does not have the digest of its name/))
})

test('nothing but a file of bounded size is read in a layout, and links lead to nothing that was not asked for', async () => {
  const layout = newLayout([entryOf(amd)], [amd])
  const blob = join(layout, 'blobs', digestOf(amd).replace(':', '/'))
  const secret = join(folder, 'secret')
  writeFileSync(secret, '{"password":"hunter2"}')

  rmSync(blob)
  symlinkSync(secret, blob)
  await assert.rejects(find(layout), refusal('manifest', /digest of its name/))
  rmSync(blob)
  symlinkSync('/dev/zero', blob)
  await assert.rejects(find(layout), refusal('manifest', /is no file/))
  rmSync(blob)
  execFileSync('mkfifo', [blob])
  await assert.rejects(find(layout), refusal('manifest', /is no file/))
  rmSync(blob)
  mkdirSync(blob)
  await assert.rejects(find(layout), refusal('manifest', /is no file/))
  rmSync(blob, { recursive: true })
  writeFileSync(blob, '')
  truncateSync(blob, 2 ** 40)
  await assert.rejects(find(layout), refusal('manifest', /is larger than/))
  rmSync(blob)
  symlinkSync(blob, blob)
  await assert.rejects(find(layout), refusal('configuration', /ELOOP/))

  // Build tools that use links among the blobs are served.
  rmSync(blob)
  writeFileSync(join(folder, 'elsewhere'), amd)
  symlinkSync(join(folder, 'elsewhere'), blob)
  assert.deepEqual(await find(layout), single)

  const index = join(layout, 'index.json')
  rmSync(index)
  symlinkSync(secret, index)
  await assert.rejects(find(layout), (error: Error) => {
    assert.doesNotMatch(error.message, /hunter2/)
    return refusal('manifest', /no schemaVersion/)(error)
  })
})

test('an index in an index is followed, once, and is no instance', async () => {
  const inner = indexOf([entryOf(arm, 'linux/arm64/v8')])
  const nested = entryOf(inner, undefined, ociIndex)
  const outer = indexOf([entryOf(amd, 'linux/amd64'), nested, nested])
  const layout = newLayout([entryOf(outer, undefined, ociIndex)], [outer, inner])
  assert.deepEqual(await find(layout), { ...both, digest: digestOf(outer) })
})

test('indexes nest three deep, and there are sixteen of them', async () => {
  const chain = (length: number) => {
    const indexes = [index]
    for (let inner = index; indexes.length < length; inner = indexes.at(-1) as Buffer)
      indexes.push(indexOf([entryOf(inner, undefined, ociIndex)]))
    return newLayout([entryOf(indexes.at(-1) as Buffer, undefined, ociIndex)], indexes)
  }
  assert.equal((await find(chain(4))).instances.length, 2)
  await assert.rejects(find(chain(5)), refusal('manifest', /nest deeper than 3/))
  const wide = (count: number) => {
    const inner = Array.from({ length: count }, (_, at) => indexOf([entryOf(imageManifest(`${at}`))]))
    const outer = indexOf(inner.map((bytes) => entryOf(bytes, undefined, ociIndex)))
    return newLayout([entryOf(outer, undefined, ociIndex)], [outer, ...inner])
  }
  assert.equal((await find(wide(16))).instances.length, 16)
  await assert.rejects(find(wide(17)), refusal('manifest', /more than 16 other indexes/))
})

test('an image has a thousand manifests at most, wherever they are listed', async () => {
  const inner = [0, 1].map((half) =>
    indexOf(Array.from({ length: 501 }, (_, at) => entryOf(imageManifest(`${half}-${at}`)))),
  )
  const outer = indexOf(inner.map((bytes) => entryOf(bytes, undefined, ociIndex)))
  const layout = newLayout([entryOf(outer, undefined, ociIndex)], [outer, ...inner])
  await assert.rejects(find(layout), refusal('manifest', /more than 1000 manifests/))
})

test('an index that names itself, or calls an image an index, is refused', async () => {
  // No bytes hold their own digest, so a blob that claims to is another one's.
  const nobody = digestOf('nobody')
  const itself = indexOf([{ mediaType: ociIndex, digest: nobody }])
  const layout = newLayout([{ mediaType: ociIndex, digest: nobody }], [itself])
  renameSync(
    join(layout, 'blobs', digestOf(itself).replace(':', '/')),
    join(layout, 'blobs', nobody.replace(':', '/')),
  )
  await assert.rejects(find(layout), refusal('manifest', /does not have the digest of its name/))
  const outer = indexOf([entryOf(amd, undefined, ociIndex)])
  const other = newLayout([entryOf(outer, undefined, ociIndex)], [outer, amd])
  await assert.rejects(find(other), refusal('manifest', /as an index, which is none/))
})

test('a manifest that is listed twice is one instance, an attestation only if it always is', async () => {
  const twice = indexOf([
    entryOf(arm, 'linux/arm/v6'),
    { ...entryOf(amd, 'unknown/unknown'), ...attestation },
    entryOf(arm, 'linux/arm/v7'),
    entryOf(amd, 'linux/amd64'),
  ])
  assert.deepEqual((await find(newLayout([entryOf(twice, undefined, ociIndex)], [twice]))).instances, [
    instance(arm, 'linux/arm/v6, linux/arm/v7'),
    instance(amd, 'unknown/unknown, linux/amd64'),
  ])
})

test('a file says what an image is made of, but not what is in an index it names', async () => {
  const file = join(folder, 'manifest.json')
  const findIn = (image = 'quay.io/team/app:1') =>
    findManifests(parseReference(image), { kind: 'file', file })
  writeFileSync(file, index)
  assert.deepEqual(await findIn(), both)
  assert.deepEqual(await findIn(`quay.io/team/app@${digestOf(index)}`), both)
  await assert.rejects(findIn(`quay.io/team/app@${digestOf(amd)}`), refusal('configuration', /not both/))
  writeFileSync(file, indexOf([entryOf(index, undefined, ociIndex)]))
  await assert.rejects(findIn(), refusal('configuration', /names another index/))
  truncateSync(file, maxManifestBytes + 2)
  await assert.rejects(findIn(), refusal('manifest', /larger than/))
  rmSync(file)
  await assert.rejects(findIn(), refusal('configuration', /cannot be read/))
})
