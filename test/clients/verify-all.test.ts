import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Report } from '../../src/policy/report.ts'
import { newMachine, signedBy } from './machine.ts'
import { type MultiArchImage, writeMultiArchImage } from './multi-arch.ts'
import { accepted, refused, startSite } from './site.ts'

let policy = ''

const site = await startSite(async ({ folder, registry, gnupg }) => {
  const key = await gnupg.newKey('alice')
  policy = join(folder, 'policy.json')
  const transports = { docker: { [registry.host]: [signedBy(key)] } }
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }], transports }))
  return { gates: { images: { policy }, whole: { policy, index: 'required' } } }
})
const { server, gnupg, folder, registry } = site
const token = await server.token('push:**')

let images = 0

async function publish(repository: string): Promise<MultiArchImage & { reference: string }> {
  const image = writeMultiArchImage(join(folder, `multi-${++images}`), `image ${images} of ${folder}`)
  const reference = `${registry.host}/${repository}:1.${images}`
  const copy = ['copy', '--all', `oci:${image.layout}:app`, `docker://${reference}`]
  accepted(await newMachine(folder, registry).skopeo(copy))
  return { ...image, reference }
}

const fromRegistry = ['--from-registry', '--registry-ca', registry.ca]
const env = { HOME: folder, XDG_RUNTIME_DIR: folder, ...gnupg.env }

const sign = async (reference: string, ...args: string[]) =>
  accepted(await server.command(token, ['sign', reference, '--by', 'alice', '--push', ...args], { env }))

const verify = (reference: string, ...args: string[]) =>
  server.command(undefined, ['verify', reference, ...args], { env })

interface WholeReport extends Report {
  index: Report & { required: boolean }
  instances: (Report & { platform: string })[]
}

test('an image of several platforms passes with all of them, and those that are missing are named', async () => {
  const image = await publish('team/some')
  const { 'linux/amd64': amd64, 'linux/arm64/v8': arm64 } = image.children
  await sign(image.reference, '--digest', amd64)
  for (const asked of [
    ['--policy', policy],
    ['--gate', 'images'],
  ]) {
    const outcome = await verify(image.reference, ...fromRegistry, ...asked)
    assert.equal(outcome.code, 1)
    assert.match(outcome.stdout, new RegExp(`^linux/amd64 ${amd64}: passed$`, 'm'))
    assert.match(outcome.stdout, new RegExp(`^linux/arm64/v8 ${arm64}: not passed$`, 'm'))
    assert.match(outcome.stdout, /1 of 2 images are not signed as asked: linux\/arm64\/v8\n$/)
  }
  await sign(image.reference, '--digest', arm64)
  const outcome = await verify(image.reference, ...fromRegistry, '--policy', policy, '--json')
  accepted(outcome)
  const report = JSON.parse(outcome.stdout) as WholeReport
  assert.deepEqual(
    [report.passed, report.digest, report.index.passed, report.index.required],
    [true, image.digest, false, false],
  )
  assert.deepEqual(
    report.instances.map(({ platform, digest, passed }) => [platform, digest, passed]),
    [
      ['linux/amd64', amd64, true],
      ['linux/arm64/v8', arm64, true],
    ],
  )
})

test('a gate may ask for the index too', async () => {
  const image = await publish('team/whole')
  const { 'unknown/unknown': _, ...children } = image.children
  for (const digest of Object.values(children)) await sign(image.reference, '--digest', digest)
  accepted(await verify(image.reference, ...fromRegistry, '--gate', 'images'))
  const outcome = await verify(image.reference, ...fromRegistry, '--gate', 'whole')
  refused(outcome, /not passed: the index itself is not signed as asked\n$/)
  await sign(image.reference, ...fromRegistry)
  accepted(await verify(image.reference, ...fromRegistry, '--gate', 'whole'))
})

test('a layout and a tree are enough, without registry and server', async () => {
  const image = await publish('team/offline')
  const staging = join(folder, 'offline')
  const layout = ['--oci-layout', `${image.layout}:app`]
  const tree = ['--tree', staging, '--policy', policy]
  mkdirSync(staging)
  refused(await verify(image.reference, ...layout, ...tree), /2 of 2 images are not signed as asked/)
  const all = ['sign', image.reference, '--by', 'alice', '--all', '--output', staging, ...layout]
  accepted(await server.command(undefined, all, { env }))
  accepted(await verify(image.reference, ...layout, ...tree))
})
