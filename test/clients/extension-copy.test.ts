import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type Front, signingClients, startFront } from './front.ts'
import { newGnupg, type SigningKey } from './gnupg.ts'
import { type Image, writeImage } from './image.ts'
import { type Machine, newMachine, signedBy } from './machine.ts'
import { everySkopeo, workFolder } from './program.ts'
import { type Registry, startRegistry } from './registry.ts'
import { accepted, clients, refused } from './site.ts'

/*
 * Images with their signatures, copied between two registries, each with a server of its own in front of it, and within one.
 */
const skopeos = await everySkopeo()
const folder = workFolder()
const gnupg = newGnupg(folder)
const alice = await gnupg.newKey('alice', 'ed25519')
const bob = await gnupg.newKey('bob')

interface Home extends Front {
  /** The registry itself, which knows nothing of signatures. */
  registry: Registry
  login: string
}

async function newHome(name: string, scope: string): Promise<Home> {
  const home = join(folder, name)
  mkdirSync(home)
  const registry = await startRegistry(home)
  const front = await startFront(home, registry)
  return { ...front, registry, login: `copier:${await front.server.token(scope)}` }
}
const here = await newHome('here', 'push:team/**')
const there = await newHome('there', 'push:**')

const machine = newMachine(folder, here, gnupg.env)
for (const registry of [there, there.registry]) machine.trust(registry)

let images = 0
const newImage = () => writeImage(join(folder, `image-${++images}`), `image ${images} of ${folder}\n`)

interface SignedImage extends Image {
  repository: string
  /** `docker://localhost:5000/team/app-1:1.0`. */
  source: string
}

/** An image with signatures by these keys. */
async function publish(...keys: SigningKey[]): Promise<SignedImage> {
  const image = newImage()
  const repository = `team/app-${images}`
  const source = `docker://${here.host}/${repository}:1.0`
  const copy = ['copy', '--dest-creds', here.login]
  for (const { fingerprint } of keys)
    accepted(await machine.skopeo([...copy, '--sign-by', fingerprint, `oci:${image.layout}`, source]))
  return { ...image, repository, source }
}

const pull = (client: Machine, reference: string, command?: string) =>
  client.skopeo(['copy', `docker://${reference}`, `dir:${client.newFolder()}`], {}, command)

/** Requires a claim by this key, which may name the registry that the image was copied from. */
function copiedBy(key: SigningKey) {
  const signedIdentity = { type: 'remapIdentity', prefix: there.host, signedPrefix: here.host }
  return { ...signedBy(key), signedIdentity }
}

for (const { command, version } of skopeos)
  suite(`skopeo ${version}`, async () => {
    const skopeo = (...args: string[]) => machine.skopeo(args, {}, command)
    const toThere = ['--dest-creds', there.login]

    test('copy carries the signatures from one registry to another', async () => {
      const { digest, repository, source } = await publish(alice, bob)
      accepted(await skopeo('copy', ...toThere, source, `docker://${there.host}/${repository}:1.0`))
      const copies = await there.list(repository, digest)
      assert.equal(copies.length, 2)
      assert.deepEqual(copies, await here.list(repository, digest))

      const verifier = newMachine(folder, there)
      verifier.require(copiedBy(alice), copiedBy(bob))
      accepted(await pull(verifier, `${there.host}/${repository}:1.0`, command))
    })

    test('copy of a signed image by who may not sign there is refused, and no signature is stored', async () => {
      const { digest, source } = await publish(alice)
      refused(
        await skopeo('copy', source, `docker://${there.host}/team/anonymous:1.0`),
        /writing signatures: .*unauthorized: A token is needed/,
      )
      const prod = ['--dest-creds', here.login, source, `docker://${here.host}/prod/app:1.0`]
      refused(await skopeo('copy', ...prod), /writing signatures: .*denied: /)
      assert.deepEqual(await there.list('team/anonymous', digest), [])
      assert.deepEqual(await here.list('prod/app', digest), [])
    })

    test('copy carries them to another repository of the registry', async () => {
      const { digest, repository, source } = await publish(alice)
      const login = ['--dest-creds', `releaser:${await here.server.token('push:prod/*')}`]
      accepted(await skopeo('copy', ...login, source, `docker://${here.host}/prod/app:1.0`))
      assert.deepEqual(await here.list('prod/app', digest), await here.list(repository, digest))
    })

    test('copy --sign-by onto itself adds a signature', async () => {
      const { digest, repository, source } = await publish(alice)
      const before = await here.list(repository, digest)
      accepted(await skopeo('copy', '--dest-creds', here.login, '--sign-by', bob.fingerprint, source, source))
      const after = await here.list(repository, digest)
      assert.equal(after.length, 2)
      assert.deepEqual(after.slice(0, 1), before)
    })

    test('copy --remove-signatures leaves them behind, as with a plain registry', async () => {
      const { digest, repository, source } = await publish(alice)
      const bare = [there, there.registry].map(({ host }) => `docker://${host}/bare/app-${images}:1.0`)
      const copies = []
      for (const target of bare) copies.push(await skopeo('copy', '--remove-signatures', source, target))
      assert.deepEqual(copies[0], copies[1])
      assert.equal(copies[0]?.code, 0)
      assert.deepEqual(await there.list(`bare/app-${images}`, digest), [])

      // What is there already stays: a registry has no way to take it away.
      const target = `docker://${there.host}/${repository}:1.0`
      accepted(await skopeo('copy', ...toThere, source, target))
      accepted(await skopeo('copy', '--remove-signatures', ...toThere, source, target))
      assert.equal((await there.list(repository, digest)).length, 1)
    })

    test('sync carries them, also by way of a folder, and with --remove-signatures does not', async () => {
      const { digest, repository, source } = await publish(alice)
      const name = repository.replace('team/', '')
      const from = source.replace('docker://', '')
      const signatures = await here.list(repository, digest)
      const sync = (...args: string[]) => skopeo('sync', ...args)
      const toRegistry = ['--dest', 'docker', ...toThere]

      accepted(await sync('--src', 'docker', ...toRegistry, from, `${there.host}/synced`))
      assert.deepEqual(await there.list(`synced/${name}`, digest), signatures)

      const carried = machine.newFolder()
      accepted(await sync('--src', 'docker', '--dest', 'dir', from, carried))
      accepted(await sync('--src', 'dir', ...toRegistry, carried, `${there.host}/carried`))
      assert.deepEqual(await there.list(`carried/${name}`, digest), signatures)

      const bare = ['--src', 'docker', ...toRegistry, '--remove-signatures', from, `${there.host}/bare`]
      accepted(await sync(...bare))
      assert.deepEqual(await there.list(`bare/${name}`, digest), [])
    })

    test('delete takes the image away, and leaves its signatures for when it comes again', async () => {
      const { digest, repository, source, layout } = await publish(alice)
      const signatures = await here.list(repository, digest)
      accepted(await skopeo('delete', '--creds', here.login, source))
      refused(await skopeo('inspect', source), /manifest unknown/)
      assert.deepEqual(await here.list(repository, digest), signatures)

      accepted(await skopeo('copy', `oci:${layout}`, source))
      const verifier = newMachine(folder, here)
      verifier.require(signedBy(alice))
      accepted(await pull(verifier, source.replace('docker://', ''), command))
    })
  })

suite('a client that asks the registry itself, and is told of a plain lookaside', () => {
  /** Clients that pull by the name of the server in front, from the registry behind it. */
  const plain = newMachine(folder, here)
  for (const { ca } of [here, here.registry]) plain.trust({ host: here.registry.host, ca })
  const mirrored = `[[registry]]\nprefix = "${here.host}"\nlocation = "${here.registry.host}"\n`
  writeFileSync(join(plain.containers, 'registries.conf'), mirrored)
  plain.readFrom(`${here.server.url}/signatures`, here.registry.host)
  const extended = newMachine(folder, here)
  for (const verifier of [plain, extended]) verifier.require(signedBy(bob))

  for (const [client, push] of signingClients(skopeos))
    test(`sees at once what ${client} signed through the extension`, async () => {
      const image = newImage()
      const reference = `${here.host}/team/plain-${images}:1.0`
      accepted(await machine.skopeo(['copy', `oci:${image.layout}`, `docker://${reference}`]))
      refused(await pull(plain, reference), /no signature exists/)
      accepted(await push(machine, { image, reference, key: bob, login: here.login }))
      accepted(await pull(plain, reference))
    })

  test('sees what was uploaded otherwise, as clients of the extension do', async () => {
    const { digest, source } = await publish(alice)
    const reference = source.replace('docker://', '')
    for (const verifier of [plain, extended])
      refused(await pull(verifier, reference), /Invalid GPG signature/)
    const file = join(folder, 'uploaded.gpg')
    writeFileSync(file, await gnupg.signClaim(bob, { reference, digest }))
    accepted(await here.server.command(here.login.replace('copier:', ''), ['push', file]))
    for (const verifier of [plain, extended])
      for (const pull of Object.values(clients)) accepted(await pull(verifier, { reference }))
  })
})
