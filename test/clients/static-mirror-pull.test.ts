import assert from 'node:assert/strict'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../eventually.ts'
import { type Lookaside, startLookaside } from './lookaside.ts'
import { newMachine, signedBy } from './machine.ts'
import { writeMultiArchImage } from './multi-arch.ts'
import { startNginx } from './nginx.ts'
import { run } from './program.ts'
import { accepted, clients, refused, startSite } from './site.ts'
import { staticServers } from './static-servers.ts'

const site = await startSite()
const { folder, gnupg, registry } = site
const alice = await gnupg.newKey('alice')
const policy = join(folder, 'mirror-policy.json')
writeFileSync(
  policy,
  JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: alice.publicKey }] }),
)

const newFolder = (name: string) => {
  const made = join(folder, name)
  mkdirSync(made)
  return made
}

const isServed = (url: string, path: string) => async () => (await fetch(`${url}/${path}`)).status === 200

test('clients that require a signature accept a mirrored tree that nginx serves alone', async () => {
  const image = await site.publish('team/app')
  const origin = newFolder('origin')
  const { url } = await (staticServers.nginx ?? assert.fail())(folder, origin)
  const mirrors = [{ from: url, policy, every: '1s' }]
  const mirrored: Lookaside = await startLookaside(newFolder('far'), { mirrors, tls: { mode: 'off' } })
  const served = await startNginx(folder, join(mirrored.data, 'tree'))
  const machine = newMachine(folder, registry)
  machine.readFrom(served)
  machine.require(signedBy(alice))
  for (const pull of Object.values(clients)) refused(await pull(machine, image), /no signature exists/)

  cpSync(await site.stage(image, alice), origin, { recursive: true })
  await eventually(isServed(served, `${image.location}/signature-1`))
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
  const other = newMachine(folder, registry)
  other.readFrom(served)
  other.require(signedBy(await gnupg.newKey('bob')))
  for (const pull of Object.values(clients)) refused(await pull(other, image), /[Ss]ignature/)
})

test('the images of a registry are mirrored with their platforms from a tree without listings', async () => {
  const image = writeMultiArchImage(join(folder, 'multi'), `an image of ${folder}`)
  const reference = `${registry.host}/team/multi:1.0`
  const machine = newMachine(folder, registry)
  accepted(await machine.skopeo(['copy', '--all', `oci:${image.layout}:app`, `docker://${reference}`]))
  const origin = newFolder('without-listings')
  const digests = [image.digest, ...Object.values(image.children)]
  for (const digest of digests) {
    const place = join(origin, `team/multi@${digest.replace(':', '=')}`)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'signature-1'), await gnupg.signClaim(alice, { reference, digest }))
  }
  const from = await startNginx(newFolder('listless'), origin)
  const images = join(folder, 'images.txt')
  writeFileSync(images, `# all of it\n${registry.host}/team/multi\n`)
  const data = join(folder, 'data-images')
  const program = fileURLToPath(new URL('../../src/lookaside.js', import.meta.url))
  // The registry is known by the certs.d in that home.
  const mirror = (...options: string[]) =>
    run(
      process.execPath,
      [program, 'mirror', '--from', from, '--policy', policy, '--data', data, ...options],
      {
        env: { HOME: machine.home },
      },
    )
  const listless = await mirror()
  assert.match(listless.stderr, /answers 403, and no listing: .* name the images/)
  const outcome = await mirror('--images', images)
  accepted(outcome)
  assert.match(outcome.stdout, new RegExp(`${digests.length} added`))

  const server = await startLookaside(newFolder('near'), { data, tls: { mode: 'off' } })
  machine.readFrom(`${server.url}/signatures`)
  machine.require(signedBy(alice))
  for (const architecture of ['amd64', 'arm64'])
    accepted(
      await machine.skopeo([
        ...['--override-os', 'linux', '--override-arch', architecture],
        ...['copy', `docker://${reference}`, `dir:${machine.newFolder()}`],
      ]),
    )
})
