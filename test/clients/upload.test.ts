import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { signedBy } from './machine.ts'
import { succeed } from './program.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

const site = await startSite()
const { server, gnupg, folder } = site
const key = await gnupg.newKey('alice', 'ed25519')
const token = await server.token('push:team/**')
const machine = await site.configuredMachine()
machine.require(signedBy(key))

/** Returns the status of each answer; interim ones, such as 100, do not count. */
async function curl(...args: string[]): Promise<string[]> {
  const options = [
    '--silent',
    '--show-error',
    '--cacert',
    server.ca,
    '--dump-header',
    '-',
    '--output',
    '/dev/null',
  ]
  const headers = await succeed('curl', [...options, ...args])
  return [...headers.matchAll(/^HTTP\/\S+ ([2-5]\d\d)/gm)].map(([, status = '']) => status)
}

const ways: Record<string, (image: PublishedImage) => Promise<void>> = {
  'curl -T, with the token as a password once it is asked for': async (image) => {
    const file = await site.signFile(image, key)
    const slot = `${server.url}/signatures/${image.location}/signature-1`
    const credentials = ['--anyauth', '--user', `signer:${token}`]
    assert.deepEqual(await curl(...credentials, '--upload-file', file, slot), ['401', '201'])
  },
  'curl --data-binary': async (image) => {
    const file = await site.signFile(image, key)
    const credentials = ['--header', `Authorization: Bearer ${token}`]
    const door = `${server.url}/api/v1/signatures`
    assert.deepEqual(await curl(...credentials, '--data-binary', `@${file}`, door), ['201'])
  },
  'lookaside push of what skopeo standalone-sign wrote': async ({ layout, digest, reference }) => {
    const manifest = join(layout, 'blobs', digest.replace(':', '/'))
    const file = join(folder, 'standalone.signature')
    const sign = ['standalone-sign', '--output', file, manifest, reference, key.fingerprint]
    accepted(await machine.skopeo(sign, gnupg.env))
    accepted(await server.command(token, ['push', file]))
  },
}

for (const [way, upload] of Object.entries(ways))
  suite(`a signature uploaded by ${way}`, async () => {
    const image = await site.publish('team/app')
    for (const [client, pull] of Object.entries(clients)) {
      test(`is missed by ${client} before`, async () => {
        refused(await pull(machine, image), /no signature exists/)
      })
    }
    test('is taken', () => upload(image))
    for (const [client, pull] of Object.entries(clients)) {
      test(`is found by ${client} after`, async () => {
        accepted(await pull(machine, image))
      })
    }
  })
