import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Report } from '../../src/policy/report.ts'
import { eventually } from '../eventually.ts'
import type { SigningKey } from './gnupg.ts'
import { type Requirement, signedBy } from './machine.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

const site = await startSite()
const { server, gnupg, folder, registry } = site
const [vendor, security, operations] = [
  await gnupg.newKey('vendor'),
  await gnupg.newKey('security', 'ed25519'),
  await gnupg.newKey('operations'),
]
const token = await server.token('push:**')

let policies = 0
function policyOf(...requirements: Requirement[]): string {
  const file = join(folder, `policy-${++policies}.json`)
  const transports = { docker: { [registry.host]: requirements } }
  writeFileSync(file, JSON.stringify({ default: [{ type: 'reject' }], transports }))
  return file
}

const verify = (image: PublishedImage, ...args: string[]) =>
  server.command(undefined, ['verify', `${image.reference}@${image.digest}`, ...args])

const push = async (image: PublishedImage, key: SigningKey) =>
  accepted(await server.command(token, ['push', await site.stage(image, key)]))

suite('an image that three must sign', async () => {
  const image = await site.publish('team/app')
  const requirements = [vendor, security, operations].map(signedBy)
  const policy = policyOf(...requirements)
  const machine = await site.configuredMachine()
  machine.require(...requirements)

  test('is not passed without signatures', async () => {
    const outcome = await verify(image, '--policy', policy)
    assert.equal(outcome.code, 1)
    assert.match(outcome.stdout, /not met .*there is no signature; wanted: vendor .*\n.*\n.*\nnot passed\n$/)
  })

  test('is not passed with two, and the third is named; clients refuse it', async () => {
    for (const key of [vendor, security]) await push(image, key)
    const outcome = await verify(image, '--policy', policy)
    assert.equal(outcome.code, 1)
    const [, first, second, third, ...tried] = outcome.stdout.split('\n')
    assert.match(
      first ?? '',
      /^met .*\[0\]: signature-1, vendor <vendor@example\.com> \([0-9A-F]{40}\), signed /,
    )
    assert.match(second ?? '', /^met .*\[1\]: signature-2, security /)
    assert.match(
      third ?? '',
      /^not met .*\[2\]: no signature counts; wanted: operations <\S+> \([0-9A-F]{40}\)$/,
    )
    assert.match(
      tried.join('\n'),
      /signature-1: it is by none of these keys, and names [0-9A-F]{40}\n.*signature-2: it is by none/,
    )
    for (const pull of Object.values(clients)) refused(await pull(machine, image), /Invalid GPG signature/)
  })

  test('is passed with three, and clients accept it', async () => {
    await push(image, operations)
    accepted(await verify(image, '--policy', policy))
    for (const pull of Object.values(clients)) accepted(await pull(machine, image))
  })

  test('is passed from the tree alone, and from a copy of it by another name of the repository', async () => {
    const tree = join(server.data, 'tree')
    await eventually(async () => (await verify(image, '--policy', policy, '--tree', tree)).code === 0)
    const report = JSON.parse((await verify(image, '--policy', policy, '--tree', tree, '--json')).stdout)
    assert.deepEqual(
      (report as Report).requirements.map(({ by: [first] }) => [first?.slot, first?.primaryFingerprint]),
      [vendor, security, operations].map(({ fingerprint }, index) => [index + 1, fingerprint]),
    )
    const elsewhere = await verify(image, '--policy', policy, '--tree', tree, '--prefix', 'other')
    refused(elsewhere, /there is no signature/)
  })

  test('is passed where any of some keys is enough', async () => {
    accepted(await verify(image, '--keys', operations.publicKey))
    const two = ['--keys', '/dev/null', '--keys', operations.publicKey, `${image.reference}@${image.digest}`]
    refused(await server.command(undefined, ['verify', ...two]), /keyring cannot be used/)
  })
})

test('a signature for another tag does not count, and that is said', async () => {
  const image = await site.publish('team/tags')
  const other = { ...image, reference: `${image.reference}-other` }
  accepted(await server.command(token, ['push', await site.signFile(other, vendor)]))
  const outcome = await verify(image, '--policy', policyOf(signedBy(vendor)))
  refused(outcome, new RegExp(`signature-1: its claim names ${other.reference}`))
  const anyTag = {
    ...signedBy(vendor),
    signedIdentity: { type: 'matchRepository' },
  } as unknown as Requirement
  accepted(await verify(image, '--policy', policyOf(anyTag)))
})

test('what cannot be used is told of before anything is read', async () => {
  const image = await site.publish('team/policies')
  const broken = join(folder, 'broken.json')
  writeFileSync(broken, '{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keypath": "x"}]}')
  const missing = policyOf({ ...signedBy(vendor), keyPath: '/nowhere/key.asc' })
  const secret = policyOf({ ...signedBy(vendor), keyPath: '/etc/passwd' })
  await push(image, vendor)
  const cases: [RegExp, ...string[]][] = [
    [/keypath is not a known key/, '--policy', broken],
    [/nowhere\/key\.asc cannot be read/, '--policy', missing],
    [/no public key/, '--policy', secret],
    [/cannot be read/, '--policy', '/nowhere/policy.json'],
    [/--policy FILE, --keys FILE, or --gate NAME/],
  ]
  for (const [reason, ...args] of cases) {
    const outcome = await verify(image, ...args)
    refused(outcome, reason)
    assert.equal(outcome.code, 2, reason.source)
  }
})
