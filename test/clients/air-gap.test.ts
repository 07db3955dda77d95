import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { type Lookaside, startLookaside } from './lookaside.ts'
import { newMachine, signedBy } from './machine.ts'
import { writeMultiArchImage } from './multi-arch.ts'
import { startNginx } from './nginx.ts'
import { succeed } from './program.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

const site = await startSite()
const { folder, registry, server, gnupg } = site
const alice = await gnupg.newKey('alice')
const courier = await gnupg.newKey('courier', 'ed25519')
const token = await server.token('push:**')
const file = (name: string) => join(folder, name)

const signed = await site.publish('team/signed')
const unsigned = await site.publish('team/unsigned')
accepted(await server.command(token, ['push', await site.stage(signed, alice)]))

const exported = async (output: string, ...args: string[]) => {
  const options = { env: { HOME: folder, XDG_RUNTIME_DIR: folder, ...gnupg.env } }
  const outcome = await server.command(
    undefined,
    ['export', '--data', server.data, '--output', file(output), ...args],
    options,
  )
  accepted(outcome)
  return outcome.stdout
}

/** A site that the network does not reach: a data folder, and nothing else. */
const data = file('ship/data')
mkdirSync(data, { recursive: true })
const imported = (bundle: string, ...args: string[]) =>
  server.command(undefined, ['import', '--data', data, file(bundle), ...args])

/** A machine at that site: the images came there by other ways. */
async function machineThere(lookaside: string, ca?: string) {
  const machine = newMachine(folder, registry)
  if (ca) machine.trust({ host: registry.host, ca })
  machine.readFrom(lookaside)
  machine.require(signedBy(alice))
  return machine
}

suite('a bundle that is signed and carried to a site without a network', async () => {
  await exported('all.tar.zst', '--sign-by', courier.fingerprint)
  let there: Lookaside

  test('is taken if the key is one that is asked for, and not if it is another, or none', async () => {
    await exported('plain.tar')
    for (const [bundle, key, reason] of [
      ['all.tar.zst', alice.publicKey, /it is signed by another key/],
      ['plain.tar', courier.publicKey, /it is not signed/],
    ] as const) {
      const outcome = await imported(bundle, '--require-signature', key)
      assert.equal(outcome.code, 1)
      refused(outcome, reason)
    }
    const outcome = await imported('all.tar.zst', '--require-signature', courier.publicKey)
    accepted(outcome)
    assert.match(
      outcome.stdout,
      new RegExp(`^signed by ${courier.fingerprint}\nwhole up to change 1: 1 added`, 'm'),
    )
  })

  for (const [client, pull] of Object.entries(clients))
    test(`satisfies ${client} by a server there`, async () => {
      there ??= await startLookaside(file('ship'), { data })
      const machine = await machineThere(`${there.url}/signatures`, there.ca)
      accepted(await pull(machine, signed))
      refused(await pull(machine, unsigned), /no signature exists/)
    })

  test('is followed by one that takes back what was withdrawn, while the server runs', async () => {
    const machine = await machineThere(`${there.url}/signatures`, there.ca)
    const doubtful = await site.publish('team/doubtful')
    accepted(await server.command(token, ['push', await site.stage(doubtful, alice)]))
    const pull = clients['skopeo copy'] as (typeof clients)[string]
    const bySameKey = ['--require-signature', courier.publicKey]
    await exported('second.tar.zst', '--since', '1', '--sign-by', courier.fingerprint)
    accepted(await imported('second.tar.zst', ...bySameKey))
    accepted(await pull(machine, doubtful))

    const storage = openSqlite({ dataFolder: server.data })
    await storage.withdraw([2], { actor: 'tester', reason: 'a stolen key', graceSeconds: 0 })
    await storage.close()
    assert.match(await exported('unsigned.tar.zst', '--since', '2'), /0 signatures and 1 withdrawals/)
    const unsigned = await imported('unsigned.tar.zst')
    assert.equal(unsigned.code, 1)
    refused(unsigned, new RegExp(`were signed by ${courier.fingerprint}`))
    await exported('third.tar.zst', '--since', '2', '--sign-by', courier.fingerprint)
    const outcome = await imported('third.tar.zst', ...bySameKey)
    accepted(outcome)
    assert.match(outcome.stdout, /0 added, 0 already there, 1 removed, 0 left out/)
    refused(await pull(machine, doubtful), /no signature exists/)
    accepted(await pull(machine, signed))
  })
})

test('gpg and tar alone show whose a bundle is and that it is whole', async () => {
  await exported('by-hand.tar', '--sign-by', courier.fingerprint)
  const there = file('by-hand')
  mkdirSync(there)
  await succeed('tar', ['--extract', '--file', file('by-hand.tar'), '--directory', there])
  const head = join(there, 'lookaside-bundle.json')
  await succeed('gpg', ['--batch', '--verify', `${head}.asc`, head], { env: gnupg.env })
  const [part] = JSON.parse(readFileSync(head, 'utf8')).signatures.parts
  const sums = [`${part.sha256}  signatures/00000001.jsonl`]
  for (const line of readFileSync(join(there, 'signatures/00000001.jsonl'), 'utf8').trimEnd().split('\n'))
    sums.push(`${JSON.parse(line).sha256}  signatures/00000001/${JSON.parse(line).sha256}`)
  await succeed('sha256sum', ['--check', '--strict'], { cwd: there, input: `${sums.join('\n')}\n` })
})

test('a folder by repository satisfies clients when nginx serves it', async () => {
  await exported('tree', '--layout', 'repository')
  const nginx = await startNginx(folder, file('tree'))
  const machine = await machineThere(nginx)
  for (const pull of Object.values(clients)) {
    accepted(await pull(machine, signed))
    refused(await pull(machine, unsigned), /no signature exists/)
  }
})

test('a list of tags is looked up in the registry, with every image of an index', async () => {
  const image = writeMultiArchImage(file('multi'), `for many machines in ${folder}`)
  const reference = `${registry.host}/team/multi:1.0`
  const copy = ['copy', '--all', `oci:${image.layout}:app`, `docker://${reference}`]
  accepted(await newMachine(folder, registry).skopeo(copy))
  for (const digest of Object.values(image.children)) {
    const claim = file(`claim-${digest.slice(7, 15)}`)
    writeFileSync(claim, await gnupg.signClaim(alice, { reference, digest }))
    accepted(await server.command(token, ['push', claim]))
  }
  writeFileSync(file('images.txt'), `${reference}\n${signed.reference}\n`)
  const list = ['--images', file('images.txt'), '--from-registry', '--registry-ca', registry.ca]
  const count = Object.values(image.children).length + 1
  assert.match(
    await exported('images.tar.gz', ...list),
    new RegExp(`: ${count} signatures and 0 withdrawals`),
  )

  const policy = file('policy.json')
  const transports = { docker: { [registry.host]: [signedBy(alice)] } }
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }], transports }))
  const verify = (of: PublishedImage | { reference: string; digest: string }, ...args: string[]) =>
    server.command(undefined, [
      ...['verify', `${of.reference}@${of.digest}`, '--policy', policy, '--bundle', file('images.tar.gz')],
      ...args,
    ])
  for (const digest of Object.values(image.children)) accepted(await verify({ reference, digest }))
  accepted(await verify(signed))
  refused(await verify(unsigned), /not passed/)
})
