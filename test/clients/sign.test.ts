import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { signedBy } from './machine.ts'
import { type ProgramOptions, succeed } from './program.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

const site = await startSite()
const { server, gnupg, folder } = site
const key = await gnupg.newKey('alice')
const token = await server.token('push:team/**')

const lookaside = (args: string[], options: ProgramOptions = {}) =>
  server.command(token, args, { cwd: folder, ...options, env: { ...gnupg.env, ...options.env } })

const manifestOf = ({ layout, digest }: PublishedImage) => join(layout, 'blobs', digest.replace(':', '/'))

test('what it signs with a key of gpg and uploads, clients accept where that key is required', async () => {
  const image = await site.publish('team/signed')
  const machine = await site.configuredMachine()
  machine.require(signedBy(key))
  for (const pull of Object.values(clients)) refused(await pull(machine, image), /no signature exists/)
  const sign = ['sign', image.reference, '--by', key.fingerprint, '--manifest', manifestOf(image), '--push']
  const outcome = await lookaside(sign)
  accepted(outcome)
  assert.equal(outcome.stdout, `added ${server.url}/signatures/${image.location}/signature-1\n`)
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
})

test('the manifest may come through a pipe', async () => {
  const image = await site.publish('team/pipe')
  const sign = ['sign', image.reference, '--by', 'alice', '--manifest', '-', '--push']
  const outcome = await lookaside(sign, { input: readFileSync(manifestOf(image)) })
  accepted(outcome)
  assert.equal(outcome.stdout, `added ${server.url}/signatures/${image.location}/signature-1\n`)
  const tooLong = await lookaside(sign, { input: new Uint8Array(5 * 1024 * 1024) })
  refused(tooLong, /4 MiB|larger|too large/i)
})

test('what it writes to a file, skopeo standalone-verify accepts for that image and no other', async () => {
  const image = await site.publish('team/file')
  const file = join(folder, 'file.signature')
  accepted(await lookaside(['sign', `${image.reference}@${image.digest}`, '--by', 'alice', '--output', file]))
  const machine = await site.configuredMachine()
  const verify = (reference: string) =>
    machine.skopeo(['standalone-verify', manifestOf(image), reference, key.fingerprint, file], gnupg.env)
  accepted(await verify(image.reference))
  refused(await verify(`${image.reference}x`), /does not match|mismatch|not accepted|expected/i)
  refused(
    await lookaside(['sign', image.reference, '--digest', image.digest, '--by', 'alice', '--output', file]),
    /EEXIST/,
  )
})

test('a key with a passphrase is used through the agent, which has asked for it', async () => {
  const image = await site.publish('team/passphrase')
  const user = 'Locked <locked@example.com>'
  const gpg = (...args: string[]) =>
    succeed('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', ...args], { env: gnupg.env })
  await gpg('--passphrase', 'secret', '--quick-generate-key', user, 'ed25519', 'sign')
  // The agent forgets what it was told when the key was made.
  await succeed('gpgconf', ['--kill', 'gpg-agent'], { env: gnupg.env })
  const sign = ['sign', image.reference, '--digest', image.digest, '--by', user, '--output', '-']
  // There is no terminal to ask on.
  refused(await lookaside(sign), /did not sign/)
  await gpg(
    '--passphrase',
    'secret',
    '--local-user',
    user,
    '--output',
    join(folder, 'warm'),
    '--sign',
    '/dev/null',
  )
  accepted(await lookaside(sign))
})

test('another signer is given the claim, and what it makes is checked', async () => {
  const image = await site.publish('team/other')
  const sign = (command: string) =>
    lookaside([
      ...['sign', image.reference, '--digest', image.digest],
      ...['--signer-command', command, '--output', '-'],
    ])
  accepted(await sign('gpg --batch --local-user alice --sign'))
  refused(await sign('cat'), /is no signature/)
  refused(await sign('exit 7'), /ended with 7/)
  refused(await sign('sed s/team/other/ | gpg --batch --local-user alice --sign'), /signed another claim/)
  refused(await sign('gpg --batch --local-user alice --detach-sign'), /is no signature/)
})

test('a signature that could not be uploaded is kept', async () => {
  const image = await site.publish('other/app')
  const cwd = join(folder, 'empty')
  await succeed('mkdir', [cwd])
  const sign = ['sign', image.reference, '--digest', image.digest, '--by', 'alice', '--push']
  const outcome = await lookaside(sign, { cwd })
  refused(outcome, /not-allowed/)
  assert.equal(outcome.code, 1)
  const [kept] = readdirSync(cwd)
  const wider = await server.token('push:other/**')
  accepted(await server.command(wider, ['push', join(cwd, kept as string)]))
  const gone = await lookaside([...sign, '--server', 'https://localhost:1'], { cwd })
  assert.equal(gone.code, 3)
  assert.equal(readdirSync(cwd).length, 2)
})

test('what is not clear is asked for, before anything is signed', async () => {
  const image = await site.publish('team/unclear')
  const schema1 = join(folder, 'schema1.json')
  writeFileSync(schema1, JSON.stringify({ schemaVersion: 1, signatures: [] }))
  const cases: [RegExp, ...string[]][] = [
    [/Say where/, image.reference, '--by', 'alice'],
    [/Say who/, image.reference, '--output', '-'],
    [/Say who/, image.reference, '--by', 'alice', '--signer-command', 'x', '--output', '-'],
    [/Name what is meant/, image.reference, '--by', 'alice', '--output', '-'],
    [
      /not both/,
      `${image.reference}@${image.digest}`,
      '--digest',
      `sha256:${'0'.repeat(64)}`,
      '--by',
      'alice',
      '--output',
      '-',
    ],
    [/schema 1/, image.reference, '--manifest', schema1, '--by', 'alice', '--output', '-'],
    [/no manifest/, image.reference, '--manifest', key.publicKey, '--by', 'alice', '--output', '-'],
    [/not a tag/, 'localhost/a:', '--digest', image.digest, '--by', 'alice', '--output', '-'],
  ]
  for (const [reason, ...args] of cases) {
    const outcome = await lookaside(['sign', ...args])
    refused(outcome, reason)
    assert.equal(outcome.code, 2, reason.source)
  }
  const nobody = await lookaside([
    'sign',
    image.reference,
    '--digest',
    image.digest,
    '--by',
    'nobody',
    '--output',
    '-',
  ])
  refused(nobody, /did not sign/)
  assert.equal(nobody.code, 3)
})
