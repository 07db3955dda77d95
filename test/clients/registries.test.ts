import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signedBy } from './machine.ts'
import { accepted, clients, refused, startSite } from './site.ts'

const site = await startSite(async ({ registry: { host } }) => ({ registries: [{ host, prefix: 'local' }] }))
const { server, registry } = site
const key = await site.gnupg.newKey('alice')
const token = await server.token('push:local/team/*')

test('signatures of a registry that has a prefix are kept and found below it', async () => {
  const image = await site.publish('team/app')
  const push = await server.command(token, ['push', await site.stage(image, key)])
  accepted(push)
  assert.equal(push.stdout, `added ${server.url}/signatures/local/${image.location}/signature-1\n`)

  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
})

test('a base with a trailing slash finds them too', async () => {
  const image = await site.publish('team/slash')
  accepted(await server.command(token, ['push', await site.stage(image, key)]))

  const machine = await site.configuredMachine()
  machine.readFrom(`${server.url}/signatures/local/`)
  machine.require(signedBy(key))
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
})

test('a signature for a registry that is not served is refused, and one outside of what the token may', async () => {
  const { digest, ...image } = await site.publish('team/elsewhere')
  const elsewhere = await site.signFile({ ...image, digest, reference: 'quay.io/team/elsewhere:1.0' }, key)
  refused(await server.command(token, ['push', elsewhere]), /registry-not-served/)
  const other = await site.signFile({ ...image, digest, reference: `${registry.host}/other/app:1.0` }, key)
  refused(await server.command(token, ['push', other]), /not-allowed/)
})
