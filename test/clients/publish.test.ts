import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { eventually } from '../eventually.ts'
import { readDocroot, readSlots } from '../tree/published.ts'
import { newMachine, signedBy } from './machine.ts'
import { startNginx } from './nginx.ts'
import { atEnd } from './program.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'

/** A small disk of its own, so that it can be filled. */
let disk = ''
let directory = ''
const site = await startSite(async ({ folder }) => {
  disk = await mountSmallDisk(join(folder, 'disk'), '2m')
  directory = join(disk, 'site')
  return { publish: [{ directory }], withdraw: { graceSeconds: 3 } }
})
const { folder, registry, server, gnupg } = site
const storage = openSqlite({ dataFolder: server.data })
atEnd(() => storage.close())
const token = await server.token('push:**')
const alice = await gnupg.newKey('alice')
const bob = await gnupg.newKey('bob')

const inStep = () =>
  eventually(async () => isDeepStrictEqual(await readDocroot(directory), await readSlots(storage)))

const sign = async (image: PublishedImage, key: typeof alice) =>
  accepted(await server.command(token, ['push', await site.stage(image, key)]))

test('clients are satisfied by nginx that serves a published directory, also while signatures are withdrawn', async () => {
  const nginx = await startNginx(folder, directory)
  const machine = newMachine(folder, registry)
  machine.readFrom(nginx)
  machine.require(signedBy(bob))
  const signed = await site.publish('team/signed')
  const unsigned = await site.publish('team/unsigned')
  for (let count = 0; count < 3; count++) await sign(signed, await gnupg.newKey(`other-${count}`))
  await sign(signed, bob)
  await inStep()
  for (const pull of Object.values(clients)) {
    accepted(await pull(machine, signed))
    refused(await pull(machine, unsigned), /no signature exists/)
  }

  const why = { actor: 'tester', reason: null, graceSeconds: 3 }
  let withdrawn = false
  let pulls = 0
  const withdrawing = (async () => {
    for (const id of [1, 2, 3]) {
      const before = pulls
      await storage.withdraw([id], why)
      await eventually(async () => pulls > before + 2)
    }
    await eventually(async () => (await readSlots(storage))[`${signed.location}/signature-2`] === undefined)
    await inStep()
  })().finally(() => {
    withdrawn = true
  })
  for (; !withdrawn; pulls++) {
    const copy = ['copy', `docker://${signed.reference}`, `dir:${machine.newFolder()}`]
    accepted(await machine.skopeo(copy))
  }
  await withdrawing

  await storage.withdraw([4], why)
  await inStep()
  for (const pull of Object.values(clients))
    refused(await pull(machine, signed), /no signature exists|signature was required/)
})

test('a full disk holds up what is published and nothing else', async () => {
  const before = await site.publish('team/before')
  await sign(before, alice)
  await inStep()
  const empty = await fillDisk(disk)

  const after = await site.publish('team/after')
  await sign(after, alice)
  await eventually(async () =>
    server
      .log()
      .some(
        ({ msg, tree, error }) =>
          /^the tree cannot be written/.test(`${msg}`) && tree === directory && /ENOSPC/.test(`${error}`),
      ),
  )
  const machine = await site.configuredMachine()
  machine.require(signedBy(alice))
  for (const image of [before, after])
    accepted((await clients['skopeo copy']?.(machine, image)) ?? assert.fail())
  const kept = await readDocroot(directory)
  assert.ok(kept[`${before.location}/signature-1`])
  assert.deepEqual(Object.values(kept).includes('no slot'), false)

  await empty()
  await inStep()
})
