import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parseScope } from '../../src/access/principal.ts'
import { newToken } from '../server.ts'
import { pullingClients, signingClients, skopeoCopy, startFront } from './front.ts'
import { newGnupg } from './gnupg.ts'
import { writeImage } from './image.ts'
import { newMachine, signedBy } from './machine.ts'
import { everySkopeo, workFolder } from './program.ts'
import { startRegistry } from './registry.ts'
import { accepted, refused } from './site.ts'

/*
 * In front of a registry that asks nobody who he is: tokens of this server say who may sign.
 */
const skopeos = await everySkopeo()
const folder = workFolder()
const front = await startFront(folder, await startRegistry(folder))
const gnupg = newGnupg(folder)
const alice = await gnupg.newKey('alice', 'ed25519')
const bob = await gnupg.newKey('bob')
const token = await front.server.token('push:team/**')
const login = `signer:${token}`
const signer = newMachine(folder, front, gnupg.env)
const verifier = newMachine(folder, front)
verifier.require(signedBy(alice), signedBy(bob))
const pull = (reference: string) =>
  verifier.skopeo(['copy', `docker://${reference}`, `dir:${verifier.newFolder()}`])

let images = 0
/** The image that was signed with both keys last. */
let signedTwice = ''
const newImage = () => writeImage(join(folder, `image-${++images}`), `image ${images} of ${folder}\n`)

for (const [client, push] of signingClients(skopeos))
  suite(`${client} --sign-by`, async () => {
    const image = newImage()
    const repository = `team/app-${images}`
    const reference = `${front.host}/${repository}:1.0`
    let digest = ''

    test('uploads an image and its signature in one command', async () => {
      const pushed = await push(signer, { image, reference, key: alice, login })
      accepted(pushed)
      digest = pushed.digest
      const [signature, ...others] = await front.list(repository, digest)
      assert.match(signature?.name ?? '', RegExp(`^${digest}@[0-9a-f]{32}$`))
      assert.deepEqual(others, [])
      refused(await pull(reference), /Invalid GPG signature/)
    })
    test('by another key adds a signature, and replaces none', async () => {
      const before = await front.list(repository, digest)
      const pushed = await push(signer, { image, reference, key: bob, login })
      accepted(pushed)
      assert.equal(pushed.digest, digest)
      const after = await front.list(repository, digest)
      assert.equal(after.length, 2)
      assert.deepEqual(after.slice(0, 1), before)
      accepted(await pull(reference))
      signedTwice = reference
    })
    test('with a token that is none is refused, and no signature is stored', async () => {
      const repository = `team/wrong-${images}`
      const reference = `${front.host}/${repository}:1.0`
      const pushed = await push(signer, { image, reference, key: alice, login: `signer:${token}x` })
      refused(pushed, /The token is not known here/)
      assert.deepEqual(await front.signatures(repository), [])
    })
  })

for (const [client, pull] of pullingClients(skopeos))
  test(`${client} without credentials accepts an image of which both signatures are required`, async () => {
    accepted(await pull(verifier, { reference: signedTwice }))
  })

const expired = await newToken(front.server.data, [parseScope('push:team/**')], { expires: Date.now() - 1 })
const unfit: Record<string, { login?: string; reason: RegExp }> = {
  'without credentials': { reason: /unauthorized: A token is needed/ },
  'with an expired token': { login: `signer:${expired}`, reason: /unauthorized: The token \w+ expired/ },
  'with a token for other repositories': {
    login: `signer:${await front.server.token('push:team/other')}`,
    reason: /denied: /,
  },
  'with a password that is no token': {
    login: 'signer:secret',
    reason: /unauthorized: The token is not known/,
  },
}
for (const [how, { login, reason }] of Object.entries(unfit))
  test(`skopeo copy --sign-by ${how} is refused, and no signature is stored`, async () => {
    const before = await front.signatures()
    for (const skopeo of skopeos) {
      const image = newImage()
      const reference = `${front.host}/team/unfit-${images}:1.0`
      const push = { image, reference, key: alice, ...(login !== undefined && { login }) }
      refused(await skopeoCopy(skopeo)(signer, push), reason)
      assert.deepEqual(await front.list(`team/unfit-${images}`, image.digest), [])
    }
    assert.deepEqual(await front.signatures(), before)
  })
