import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test } from 'node:test'
import type { SigningKey } from './gnupg.ts'
import { anything, type Machine, signedBy } from './machine.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

const site = await startSite()
const { server, gnupg } = site
const alice = await gnupg.newKey('alice', 'rsa2048')
const bob = await gnupg.newKey('bob', 'ed25519')
const stranger = await gnupg.newKey('stranger')
const token = await server.token('push:team/**')

/** Uploads files and staging folders; returns what was printed. */
async function push(...paths: string[]): Promise<string> {
  const outcome = await server.command(token, ['push', ...paths])
  accepted(outcome)
  return outcome.stdout
}

/** The signatures that skopeo finds with an image. */
async function signaturesFound(machine: Machine, { reference }: PublishedImage): Promise<string[]> {
  const folder = machine.newFolder()
  accepted(await machine.skopeo(['copy', `docker://${reference}`, `dir:${folder}`]))
  return readdirSync(folder)
    .filter((name) => name.startsWith('signature-'))
    .sort()
}

suite('an image that skopeo signs into a staging folder, which is then pushed', async () => {
  const image = await site.publish('team/signed')
  const staging = await site.stage(image, alice)
  const machine = await site.configuredMachine()

  test('is refused before its signature is uploaded', async () => {
    machine.require(signedBy(alice))
    for (const pull of Object.values(clients)) refused(await pull(machine, image), /no signature exists/)
  })

  test('has its signature in the first slot', async () => {
    assert.equal(await push(staging), `added ${server.url}/signatures/${image.location}/signature-1\n`)
  })

  test('has it once, pushed again', async () => {
    assert.equal(await push(staging), `present ${server.url}/signatures/${image.location}/signature-1\n`)
  })

  test('is listed with its key and reference', async () => {
    const outcome = await server.command(undefined, ['list', `${image.repository}@${image.digest}`, '--json'])
    accepted(outcome)
    const [signature, ...others] = JSON.parse(outcome.stdout)
    assert.deepEqual(others, [])
    assert.equal(signature.signer.unverifiedFingerprint, alice.fingerprint)
    assert.equal(signature.claim.critical.identity['docker-reference'], image.reference)
  })

  for (const [client, pull] of Object.entries(clients))
    test(`${client} accepts it where its key is required`, async () => {
      machine.require(signedBy(alice))
      accepted(await pull(machine, image))
    })
})

/** GPG_ERR_BAD_SIGNATURE and GPG_ERR_NO_PUBKEY of libgpg-error, with or without the part of GnuPG they come from. */
const badSignature =
  /Source image rejected: Invalid GPG signature: .*Status:gpgme\.Error\{err:0x(?:700000)?8\}/
const noPublicKey =
  /Source image rejected: Invalid GPG signature: .*Status:gpgme\.Error\{err:0x(?:700000)?9\}/

/** Images that must be refused where alice's key is required, how each came about, and what clients say. */
const cases: { what: string; reason: RegExp; publish: () => Promise<PublishedImage> }[] = [
  {
    what: 'without a signature',
    reason: /Source image rejected: A signature was required, but no signature exists/,
    publish: () => site.publish('team/unsigned'),
  },
  {
    what: 'whose only signature is broken',
    reason: badSignature,
    publish: async () => {
      const image = await site.publish('team/broken')
      await push(await site.signFile(image, alice, (bytes) => bytes.with(-1, (bytes.at(-1) as number) ^ 1)))
      return image
    },
  },
  {
    what: 'with a signature whose claim was of another digest',
    reason: badSignature,
    publish: async () => {
      const { digest } = await site.publish('team/forged')
      const image = await site.publish('team/forged')
      const change = (bytes: Uint8Array) => {
        const text = Buffer.from(bytes).toString('latin1')
        return Buffer.from(text.replace(digest, image.digest), 'latin1')
      }
      await push(await site.signFile({ ...image, digest }, alice, change))
      return image
    },
  },
  {
    what: 'signed by another key',
    reason: noPublicKey,
    publish: async () => {
      const image = await site.publish('team/strange')
      await push(await site.stage(image, stranger))
      return image
    },
  },
]

for (const { what, reason, publish } of cases)
  suite(`an image ${what}`, async () => {
    const image = await publish()
    const machine = await site.configuredMachine()
    for (const [client, pull] of Object.entries(clients)) {
      test(`${client} refuses it where a key is required`, async () => {
        machine.require(signedBy(alice))
        refused(await pull(machine, image), reason)
      })
      test(`${client} accepts it where anything is accepted`, async () => {
        machine.require(anything)
        accepted(await pull(machine, image))
      })
    }
  })

suite('an image of two signers, each with a staging folder of its own', async () => {
  const machine = await site.configuredMachine()
  const both = await site.publish('team/both')
  const one = await site.publish('team/one')
  const signers: [PublishedImage, SigningKey][] = [
    [both, alice],
    [both, bob],
    [one, alice],
  ]
  for (const [image, key] of signers) await push(await site.stage(image, key))

  test('has both signatures', async () => {
    machine.require(anything)
    assert.deepEqual(await signaturesFound(machine, both), ['signature-1', 'signature-2'])
  })

  for (const [client, pull] of Object.entries(clients))
    test(`${client} accepts it where both keys are required, and refuses one of a single signer`, async () => {
      machine.require(signedBy(alice), signedBy(bob))
      accepted(await pull(machine, both))
      refused(await pull(machine, one), noPublicKey)
    })
})
