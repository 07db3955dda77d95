import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import type { SigningKey } from './gnupg.ts'
import { startLookaside } from './lookaside.ts'
import { signedBy } from './machine.ts'
import { accepted, type PublishedImage, refused, startSite } from './site.ts'

let alice = {} as SigningKey
let bob = {} as SigningKey
let policy = ''

const site = await startSite(async ({ folder, registry, gnupg }) => {
  alice = await gnupg.newKey('alice')
  bob = await gnupg.newKey('bob', 'ed25519')
  policy = join(folder, 'policy.json')
  const docker = {
    [registry.host]: [signedBy(alice)],
    [`${registry.host}/both`]: [signedBy(alice), signedBy(bob)],
    [`${registry.host}/closed`]: [{ type: 'reject' }],
    [`${registry.host}/open`]: [{ type: 'insecureAcceptAnything' }],
  }
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }], transports: { docker } }))
  // Each worker follows the files by itself: with one, what one upload has shown holds for the next.
  return { policy, workers: 1 }
})
const { server, folder, gnupg } = site
const token = await server.token('push:**', 'relocate:**')

const push = async (image: PublishedImage, key: SigningKey, ...args: string[]) =>
  server.command(token, ['push', await site.signFile(image, key), ...args])

test('a signature is admitted by the key that its image needs, and by no other', async () => {
  const image = await site.publish('team/app')
  const outcome = await push(image, bob)
  refused(outcome, /not-trusted/)
  assert.match(outcome.stdout, new RegExp(`by key ${bob.fingerprint}`))
  assert.match(outcome.stdout, /transports\.docker\["localhost:\d+"\]\[0\]: unknown-key by its keys/)
  assert.match(
    outcome.stdout,
    new RegExp(`the keys of these requirements are alice \\S+ \\(${alice.fingerprint}\\)`),
  )
  accepted(await push(image, alice))
})

test('where several keys are required, the signature of each is admitted', async () => {
  const image = await site.publish('both/app')
  accepted(await push(image, alice))
  accepted(await push(image, bob))
})

test('a scope that rejects takes none, and one that accepts anything takes all', async () => {
  refused(await push(await site.publish('closed/app'), alice), /not-trusted.*takes no signatures/)
  accepted(await push(await site.publish('open/app'), bob))
})

test('a signature that was altered, or is of another image, is not admitted', async () => {
  const image = await site.publish('team/broken')
  const broken = await site.signFile(image, alice, (bytes) => bytes.with(-1, (bytes.at(-1) as number) ^ 1))
  refused(await server.command(token, ['push', broken]), /not-trusted.*: bad by its keys/)
  const elsewhere = { ...image, reference: 'quay.io/team/broken:1' }
  refused(await push(elsewhere, alice), /not-trusted.*default takes no signatures/)
})

test('a copied image counts by the claim it has, and by the name it gets', async () => {
  const image = await site.publish('team/copied')
  accepted(await push(image, alice, '--repository', 'prod/copied'))
  // By its claim the first is for an open scope, whoever signed; the other one is for a scope that bob is not in.
  const open = await site.publish('open/copied')
  accepted(await push(open, bob, '--repository', 'prod/copied'))
  refused(await push(await site.publish('team/other'), bob, '--repository', 'prod/copied'), /not-trusted/)
})

test('what import takes in meets the policy too', async () => {
  const image = await site.publish('team/imported')
  const staged = [await site.stage(image, alice), await site.stage(image, bob)]
  const [good, bad] = await Promise.all(staged.map((docroot) => server.administer('import', docroot)))
  accepted(good as never)
  refused(bad as never, /not-trusted/)
})

test('a keyring that is replaced is in force within seconds, and one that cannot be used changes nothing', async () => {
  const image = await site.publish('team/rotated')
  const good = readFileSync(alice.publicKey)
  const admits = async (key: SigningKey) => (await push(image, key)).code === 0
  assert.equal(await admits(bob), false)
  writeFileSync(alice.publicKey, readFileSync(bob.publicKey))
  await eventually(() => admits(bob))
  await eventually(async () => !(await admits(alice)))

  writeFileSync(alice.publicKey, 'no key')
  const alarmed = () => server.log().some(({ msg }) => String(msg).startsWith('the policy cannot be used'))
  await eventually(async () => alarmed())
  assert.equal(await admits(alice), false)
  assert.equal(await admits(bob), true)

  writeFileSync(alice.publicKey, good)
  await eventually(() => admits(alice))
})

test('a key that is revoked in the keyring is not trusted any more, without a restart', async () => {
  const image = await site.publish('team/revoked')
  accepted(await push(image, alice))
  // Signed before the revocation, so that there is something to upload afterwards.
  const signed = await site.signFile(await site.publish('team/late'), alice)
  await gnupg.revoke(alice)
  await eventually(async () => {
    const outcome = await server.command(token, ['push', signed])
    return /: revoked by its keys/.test(outcome.stdout)
  })
})

test('a policy that cannot be used stops the start, and says what is wrong', async () => {
  const broken = join(folder, 'broken.json')
  writeFileSync(broken, JSON.stringify({ default: [{ ...signedBy(alice), keyPath: '/nowhere' }] }))
  const start = startLookaside(join(folder, 'broken'), { policy: broken })
  await assert.rejects(start, /ended with 2.*\/nowhere cannot be read/s)
})
