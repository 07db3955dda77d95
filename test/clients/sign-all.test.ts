import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nextSecond } from '../eventually.ts'
import { type Machine, newMachine, signedBy } from './machine.ts'
import { blob, type MultiArchImage, writeMultiArchImage } from './multi-arch.ts'
import type { Registry } from './registry.ts'
import { startPasswordRegistry, startTokenRegistry, user } from './registry-logins.ts'
import { accepted, refused, startSite } from './site.ts'

const site = await startSite()
const { server, gnupg, folder, registry } = site
const key = await gnupg.newKey('alice')
const token = await server.token('push:team/**', 'push:public/**')

let images = 0

/** An image for several platforms, in a registry, without signatures. */
async function publish(
  repository: string,
  { host, ca }: Registry = registry,
): Promise<MultiArchImage & { reference: string }> {
  const image = writeMultiArchImage(join(folder, `multi-${++images}`), `image ${images} of ${folder}`)
  const reference = `${host}/${repository}:1.${images}`
  const login = ['--dest-creds', `${user.name}:${user.password}`]
  const copy = ['copy', '--all', ...(host === registry.host ? [] : login), `oci:${image.layout}:app`]
  accepted(await newMachine(folder, { host, ca }).skopeo([...copy, `docker://${reference}`]))
  return { ...image, reference }
}

const sign = (image: { reference: string }, args: string[], env: NodeJS.ProcessEnv = {}) =>
  server.command(token, ['sign', image.reference, '--by', 'alice', ...args], {
    cwd: folder,
    // Nothing of whoever runs the tests is found there.
    env: { HOME: folder, XDG_RUNTIME_DIR: folder, ...gnupg.env, ...env },
  })

const fromRegistry = ['--from-registry', '--registry-ca', registry.ca]

const locations = (repository: string, ...digests: string[]) =>
  digests.map((digest) => `${repository}@${digest.replace(':', '=')}`).sort()

const pullOf = (machine: Machine, { reference }: { reference: string }, architecture: string) =>
  machine.skopeo([
    ...['--override-os', 'linux', '--override-arch', architecture],
    ...['copy', `docker://${reference}`, `dir:${machine.newFolder()}`],
  ])

test('of an image that was signed with --all clients accept each platform', async () => {
  const image = await publish('team/all')
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  for (const architecture of ['amd64', 'arm64'])
    refused(await pullOf(machine, image, architecture), /no signature exists/)
  const outcome = await sign(image, [...fromRegistry, '--all', '--push'])
  accepted(outcome)
  const { 'unknown/unknown': _, ...children } = image.children
  const added = [...Object.values(children), image.digest].map(
    (digest) => `added ${server.url}/signatures/${locations('team/all', digest)}/signature-1\n`,
  )
  assert.equal(outcome.stdout, added.join(''))
  assert.match(outcome.stderr, /1 attestations are left out/)
  for (const architecture of ['amd64', 'arm64']) accepted(await pullOf(machine, image, architecture))
  accepted(await machine.podman('pull', '--arch', 'arm64', image.reference))
  accepted(await machine.podman('pull', '--arch', 'amd64', image.reference))
  const missing = await machine.skopeo([
    'copy',
    '--all',
    `docker://${image.reference}`,
    `dir:${machine.newFolder()}`,
  ])
  refused(missing, /no signature exists/)
})

test('with its attestations signed too, clients accept the copy of the whole image', async () => {
  const image = await publish('team/whole')
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  accepted(await sign(image, [...fromRegistry, '--all', '--attestations', '--push']))
  accepted(
    await machine.skopeo(['copy', '--all', `docker://${image.reference}`, `dir:${machine.newFolder()}`]),
  )
})

test('the index alone is signed without --all, which clients never verify, and the signer is told', async () => {
  const image = await publish('team/index')
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  const outcome = await sign(image, [...fromRegistry, '--push'])
  accepted(outcome)
  assert.match(outcome.stderr, /signs the index alone. Clients verify the 3 manifests in it/)
  assert.ok(outcome.stdout.includes(locations('team/index', image.digest)[0] as string))
  refused(await pullOf(machine, image, 'amd64'), /no signature exists/)
})

test('what is signed from an OCI layout to a folder, push takes, and several signers may share it', async () => {
  const image = await publish('team/layout')
  const output = join(folder, 'staged')
  const toFolder = ['--oci-layout', `${image.layout}:app`, '--all', '--output', output]
  const outcome = await sign(image, toFolder)
  accepted(outcome)
  const { 'unknown/unknown': _, ...children } = image.children
  const signed = locations('team/layout', image.digest, ...Object.values(children))
  assert.deepEqual(
    readdirSync(join(output, 'team')).sort(),
    signed.map((name) => name.slice('team/'.length)),
  )
  assert.equal(outcome.stdout.trim().split('\n').length, 3)
  await gnupg.newKey('bob', 'ed25519')
  accepted(await sign(image, [...toFolder, '--json', '--by', 'bob']))
  for (const name of signed)
    assert.deepEqual(readdirSync(join(output, name)).sort(), ['signature-1', 'signature-2'])
  const pushed = await server.command(token, ['push', output])
  accepted(pushed)
  assert.match(pushed.stderr, /6 added/)
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  accepted(await pullOf(machine, image, 'arm64'))
})

test('of an image that is signed by its digest, clients accept each platform that they pull by that digest', async () => {
  const { reference, digest } = await publish('team/digest')
  const image = { reference: `${reference.replace(/:1[.][0-9]+$/, '')}@${digest}` }
  accepted(await sign(image, [...fromRegistry, '--all', '--push']))
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  for (const architecture of ['amd64', 'arm64']) accepted(await pullOf(machine, image, architecture))
})

test('--all of an image of one platform signs that', async () => {
  const image = await site.publish('team/single')
  const outcome = await sign(image, [...fromRegistry, '--all', '--push'])
  accepted(outcome)
  assert.equal(outcome.stdout, `added ${server.url}/signatures/${image.location}/signature-1\n`)
})

test('the digest that is named must be the one that is there', async () => {
  const image = await publish('team/other')
  const child = image.children['linux/amd64']
  const at = (digest: string) => ({ reference: `${image.reference}@${digest}` })
  const named = await sign(at(child), [...fromRegistry, '--push'])
  accepted(named)
  assert.ok(named.stdout.includes(child.replace(':', '=')))
  const unknown = `sha256:${'0'.repeat(64)}`
  const gone = await sign(at(unknown), [...fromRegistry, '--push'])
  refused(gone, /is not in the registry/)
  const layout = await sign(at(unknown), ['--oci-layout', `${image.layout}:app`, '--push'])
  refused(layout, /not both/)
  const file = await sign(at(unknown), ['--manifest', blob(image.layout, image.digest), '--all', '--push'])
  refused(file, /not both/)
  assert.deepEqual([gone.code, layout.code, file.code], [3, 2, 2])
})

test('a registry that asks for a password gets it from where podman login puts it, and nobody else does', async () => {
  const other = await startPasswordRegistry(folder)
  const image = await publish('team/password', other)
  const args = ['--from-registry', '--registry-ca', other.ca, '--output', '-']
  const anonymous = await sign(image, args)
  refused(anonymous, /there are none for this image: podman login/)
  assert.equal(anonymous.code, 2)
  const authFile = join(folder, 'password.json')
  const login = ['login', '--authfile', authFile, '--username', user.name, '--password', user.password]
  accepted(await newMachine(folder, other).skopeo([...login, other.host]))
  accepted(await sign(image, [...args, '--authfile', authFile]))
  accepted(await sign(image, args, { REGISTRY_AUTH_FILE: authFile }))
  writeAuth(authFile, other.host, basic('wrong'))
  const wrong = await sign(image, [...args, '--authfile', authFile])
  refused(wrong, /does not take the credentials/)
  assert.equal(wrong.code, 2)
})

test('a registry that takes tokens gets one for a password, for an identity token, or for nobody', async () => {
  const other = await startTokenRegistry(folder)
  const image = await publish('team/token', other)
  const open = await publish('public/token', other)
  const home = join(folder, 'home')
  const certificates = join(home, '.config/containers/certs.d', other.host)
  mkdirSync(certificates, { recursive: true })
  cpSync(other.ca, join(certificates, 'ca.crt'))
  const authFile = join(home, '.config/containers/auth.json')
  const ask = (subject: { reference: string }) => {
    other.asked.length = 0
    return sign(subject, ['--from-registry', '--output', '-'], { HOME: home })
  }
  accepted(await ask(open))
  assert.deepEqual(other.asked, ['GET'])
  refused(await ask(image), /asks for credentials/)
  writeAuth(authFile, other.host, basic(user.password))
  accepted(await ask(image))
  assert.deepEqual(other.asked, [`GET ${user.name}`])
  writeAuth(authFile, `${other.host}/team`, { ...basic(''), identitytoken: user.identityToken })
  accepted(await ask(image))
  assert.deepEqual(other.asked, ['POST'])
  writeAuth(authFile, other.host, basic('wrong'))
  refused(await ask(image), /gives no token for the credentials/)
})

function basic(password: string) {
  return { auth: Buffer.from(`${user.name}:${password}`).toString('base64') }
}

function writeAuth(file: string, key: string, entry: Record<string, string>): void {
  writeFileSync(file, JSON.stringify({ auths: { [key]: entry } }))
}

test('signatures that were made and not uploaded are kept, for push to take', async () => {
  const image = await publish('team/kept')
  const cwd = join(folder, 'kept')
  mkdirSync(cwd)
  const signInto = (args: string[]) =>
    server.command(token, ['sign', image.reference, ...fromRegistry, '--all', '--push', ...args], {
      cwd,
      env: { HOME: folder, XDG_RUNTIME_DIR: folder, ...gnupg.env },
    })
  const once =
    'test -e third && exit 7; test -e second && touch third; touch second; gpg --batch -u alice --sign'
  const tired = await signInto(['--signer-command', once])
  refused(tired, /ended with 7/)
  await nextSecond()
  const gone = await signInto(['--by', 'alice', '--server', 'https://localhost:1'])
  refused(gone, /3 of 3 files remain/)
  assert.deepEqual([tired.code, gone.code], [3, 3])
  const kept = readdirSync(cwd).filter((name) => name.startsWith('signatures-'))
  const pushed = await server.command(token, ['push', ...kept], { cwd })
  accepted(pushed)
  assert.match(pushed.stderr, /5 added/)
})

test('what makes no sense is refused before anything is signed', async () => {
  const image = await publish('team/senseless')
  const cases: [RegExp, ...string[]][] = [
    [/--all needs the index/, '--all', '--digest', image.digest, '--push'],
    [/With --all, --output is a folder/, ...fromRegistry, '--all', '--output', '-'],
    [/--attestations is for --all/, ...fromRegistry, '--attestations', '--push'],
    [/Name one of/, ...fromRegistry, '--oci-layout', image.layout, '--push'],
    [/are for --from-registry/, '--registry-ca', registry.ca, '--digest', image.digest, '--push'],
    [/no certificate in PEM/, '--from-registry', '--registry-ca', `${image.layout}/index.json`, '--push'],
    [/has no nothing/, '--oci-layout', `${image.layout}:nothing`, '--push'],
  ]
  for (const [reason, ...args] of cases) {
    const outcome = await sign(image, args)
    refused(outcome, reason)
    assert.equal(outcome.code, 2, reason.source)
  }
  const untrusted = await sign(image, ['--from-registry', '--push'])
  refused(untrusted, /not signed by a CA that is trusted here/)
  assert.equal(untrusted.code, 3)
})
