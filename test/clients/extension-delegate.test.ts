import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually } from '../eventually.ts'
import { type Front, signingClients, skopeoCopy, startFront } from './front.ts'
import { newGnupg } from './gnupg.ts'
import { writeImage } from './image.ts'
import { newMachine } from './machine.ts'
import { everySkopeo, workFolder } from './program.ts'
import { type Registry, startRegistry } from './registry.ts'
import { startPasswordRegistry, user } from './registry-logins.ts'
import { accepted, refused } from './site.ts'

/*
 * In front of registries that decide who may sign.
 */
const skopeos = await everySkopeo()
const folder = workFolder()
const gnupg = newGnupg(folder)
const alice = await gnupg.newKey('alice', 'ed25519')

let fronts = 0
async function delegating(registry: Registry, options: { anonymous?: boolean } = {}): Promise<Front> {
  const home = join(folder, `front-${++fronts}`)
  mkdirSync(home)
  return startFront(home, registry, { delegate: true, ...options })
}

let images = 0
const newImage = () => writeImage(join(folder, `image-${++images}`), `image ${images} of ${folder}\n`)

suite('a registry with a password', async () => {
  const front = await delegating(await startPasswordRegistry(folder))
  const signer = newMachine(folder, front, gnupg.env)
  const login = `${user.name}:${user.password}`

  for (const [client, push] of signingClients(skopeos))
    test(`lets who knows it sign with ${client}`, async () => {
      const image = newImage()
      const repository = `team/app-${images}`
      const pushed = await push(signer, {
        image,
        reference: `${front.host}/${repository}:1.0`,
        key: alice,
        login,
      })
      accepted(pushed)
      assert.equal((await front.list(repository, pushed.digest)).length, 1)
      await eventually(async () => front.actors().at(-1) === `registry:${user.name}`)
    })
  for (const skopeo of skopeos)
    test(`lets nobody else sign with skopeo ${skopeo.version}`, async () => {
      const before = await front.signatures()
      for (const login of [undefined, `${user.name}:wrong`]) {
        const push = { image: newImage(), reference: `${front.host}/team/none:1.0`, key: alice }
        const pushed = await skopeoCopy(skopeo)(signer, { ...push, ...(login !== undefined && { login }) })
        refused(pushed, /unauthorized|authentication required/)
      }
      assert.deepEqual(await front.signatures(), before)
    })
  test('keeps out a signature of an image that is there, sent with a wrong password or without', async () => {
    const image = newImage()
    const reference = `${front.host}/team/there:1.0`
    accepted(
      await signer.skopeo(['copy', '--dest-creds', login, `oci:${image.layout}`, `docker://${reference}`]),
    )
    const blob = await gnupg.signClaim(alice, { reference, digest: image.digest })
    const put = (...options: string[]) => front.put('team/there', image.digest, blob, ...options)
    assert.equal(await put(), '401 UNAUTHORIZED')
    assert.equal(await put('--user', `${user.name}:wrong`), '401 UNAUTHORIZED')
    assert.equal(await put('--user', ':'), '401 UNAUTHORIZED')
    assert.deepEqual(await front.signatures('team/there'), [])
    assert.equal(await put('--user', login), '201')
    assert.equal(await put('--user', `${user.name}:wrong`), '401 UNAUTHORIZED')
  })
  test('keeps out a signature of an image that is not there', async () => {
    const image = newImage()
    const blob = await gnupg.signClaim(alice, {
      reference: `${front.host}/team/absent:1.0`,
      digest: image.digest,
    })
    assert.equal(await front.put('team/absent', image.digest, blob, '--user', login), '404 MANIFEST_UNKNOWN')
    assert.deepEqual(await front.signatures('team/absent'), [])
  })
})

suite('a registry that lets everybody push', async () => {
  const registry = await startRegistry(folder)
  const decides = await delegating(registry)
  const open = await delegating(registry, { anonymous: true })

  const push = (front: Front, login?: string) => {
    const reference = `${front.host}/team/open-${images}:1.0`
    const signing = { image: newImage(), reference, key: alice, ...(login !== undefined && { login }) }
    return skopeoCopy()(newMachine(folder, front, gnupg.env), signing)
  }
  test('decides nothing: who signs brings a token of this server', async () => {
    for (const login of [undefined, 'anybody:anything'])
      refused(await push(decides, login), /denied: The registry lets everybody push/)
    assert.deepEqual(await decides.signatures(), [])
    accepted(await push(decides, `signer:${await decides.server.token('push:team/**')}`))
    assert.equal((await decides.signatures()).length, 1)
  })
  test('lets everybody sign where anonymous says so', async () => {
    for (const login of [undefined, 'anybody:anything']) accepted(await push(open, login))
    assert.equal((await open.signatures()).length, 2)
    // Nobody has looked at the name that was given.
    await eventually(async () => open.actors().length === 2)
    assert.deepEqual(open.actors(), ['registry:anonymous', 'registry:anonymous'])
  })
})
