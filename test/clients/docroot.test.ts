import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { newMachine, signedBy } from './machine.ts'
import { startNginx } from './nginx.ts'
import { accepted, clients, refused, startSite } from './site.ts'

const site = await startSite()
const { folder, registry, server } = site
const key = await site.gnupg.newKey('alice')

test('a docroot that skopeo wrote is imported while the server runs, and clients read it there', async () => {
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  const image = await site.publish('team/adopted')
  const docroot = await site.stage(image, key)
  for (const pull of Object.values(clients)) refused(await pull(machine, image), /no signature exists/)

  const outcome = await server.administer('import', docroot)
  accepted(outcome)
  assert.equal(outcome.stdout, '1 added, 0 already there, 0 left out\n')
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
})

test('the tree satisfies clients when nginx serves it and the server has ended', async () => {
  const signed = await site.publish('team/signed')
  const unsigned = await site.publish('team/unsigned')
  const token = await server.token('push:team/signed')
  accepted(await server.command(token, ['push', await site.stage(signed, key)]))

  const nginx = await startNginx(folder, join(server.data, 'tree'))
  await eventually(async () => (await fetch(`${nginx}/${signed.location}/signature-1`)).ok)
  assert.equal(await server.stop(), 0)

  const machine = newMachine(folder, registry)
  machine.readFrom(nginx)
  machine.require(signedBy(key))
  for (const pull of Object.values(clients)) {
    accepted(await pull(machine, signed))
    refused(await pull(machine, unsigned), /no signature exists/)
  }
})
