import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { GateAnswer } from '../../src/admission/gates.ts'
import type { SignatureDocument } from '../../src/http/document.ts'
import { eventually, nextSecond } from '../eventually.ts'
import type { SigningKey } from './gnupg.ts'
import { startLookaside } from './lookaside.ts'
import { signedBy } from './machine.ts'
import { accepted, clients, type PublishedImage, refused, startSite } from './site.ts'

let keys = {} as Record<'vendor' | 'security' | 'operations' | 'stranger', SigningKey>

const site = await startSite(async ({ folder, registry, gnupg }) => {
  keys = {
    vendor: await gnupg.newKey('vendor', 'ed25519', '20200101T000000'),
    security: await gnupg.newKey('security', 'ed25519'),
    operations: await gnupg.newKey('operations'),
    stranger: await gnupg.newKey('stranger', 'ed25519'),
  }
  const three = [keys.vendor, keys.security, keys.operations]
  const policyOf = (name: string, ...requirements: object[]) => {
    const file = join(folder, `${name}.json`)
    const transports = { docker: { [registry.host]: requirements } }
    writeFileSync(file, JSON.stringify({ default: [{ type: 'reject' }], transports }))
    return file
  }
  const open = policyOf('open', { type: 'insecureAcceptAnything' })
  return {
    gates: {
      production: { policy: policyOf('production', ...three.map(signedBy)) },
      quorum: { policy: open, keys: [{ atLeast: 2, of: three.map(({ publicKey }) => publicKey) }] },
      fresh: { policy: policyOf('fresh', signedBy(keys.vendor)), maxAge: '90d' },
      changing: {
        policy: policyOf('changing', { ...signedBy(keys.security), keyPath: join(folder, 'changing.gpg') }),
      },
    },
    ...writeKeyring(join(folder, 'changing.gpg'), keys.security),
  }
})
const { server, folder, gnupg } = site
const token = await server.token('push:**')

/** No setting comes of it. */
function writeKeyring(file: string, ...members: SigningKey[]): object {
  writeFileSync(file, members.map(({ publicKey }) => readFileSync(publicKey, 'utf8')).join('\n'))
  return {}
}

const push = async (image: PublishedImage, key: SigningKey, time?: string) =>
  accepted(await server.command(token, ['push', await site.signFile(image, key, (bytes) => bytes, time)]))

const verify = (image: PublishedImage, ...args: string[]) =>
  server.command(undefined, ['verify', `${image.reference}@${image.digest}`, ...args])

const answerOf = async (image: PublishedImage, gate: string, ...args: string[]) =>
  JSON.parse((await verify(image, '--gate', gate, '--json', ...args)).stdout) as GateAnswer

const documents = async (image: PublishedImage, ...args: string[]) => {
  const list = ['list', `${image.repository}@${image.digest}`, '--json', ...args]
  return JSON.parse((await server.command(undefined, list)).stdout) as SignatureDocument[]
}

suite('a gate that three must have signed for', async () => {
  const image = await site.publish('team/app')

  test('is closed with two, and the third is named', async () => {
    for (const key of [keys.vendor, keys.security, keys.stranger]) await push(image, key)
    const outcome = await verify(image, '--gate', 'production')
    assert.equal(outcome.code, 1)
    assert.match(outcome.stdout, /\[2\]: no signature counts; wanted: operations <operations@example\.com>/)
    const { passed, requirements, signatures } = await answerOf(image, 'production')
    assert.deepEqual([passed, signatures], [false, 3])
    assert.deepEqual(
      requirements.map(({ met, by, wanted, tried }) => [
        met,
        by.map(({ slot, primaryFingerprint }) => [slot, primaryFingerprint]),
        wanted?.map(({ fingerprint }) => fingerprint),
        tried.map(({ slot, verdict, reasons }) => [slot, verdict, ...reasons]),
      ]),
      [
        [true, [[1, keys.vendor.fingerprint]], undefined, []],
        [true, [[2, keys.security.fingerprint]], undefined, [[1, 'unknown-key', 'verdict']]],
        [false, [], [keys.operations.fingerprint], [1, 2, 3].map((slot) => [slot, 'unknown-key', 'verdict'])],
      ],
    )
  })

  test('opens to who waits as soon as the third has signed', async () => {
    const waiting = verify(image, '--gate', 'production', '--wait', '10m')
    await push(image, keys.operations)
    accepted(await waiting)
  })

  test('answers the same from the configuration and the tree, without the server', async () => {
    const tree = join(server.data, 'tree')
    const offline = ['--config', join(folder, 'lookaside', 'lookaside.yaml'), '--tree', tree]
    const online = await answerOf(image, 'production')
    await eventually(async () => (await answerOf(image, 'production', ...offline)).passed)
    const { requirements, scope, digest } = await answerOf(image, 'production', ...offline)
    assert.deepEqual(requirements, online.requirements)
    assert.deepEqual([scope, digest], [online.scope, online.digest])
  })

  test('is no gate by another name', async () => {
    const outcome = await verify(image, '--gate', 'staging')
    refused(outcome, /There is no gate staging/)
    assert.equal(outcome.code, 2)
  })
})

test('each signature is listed with the verdict of the keys, and whose it is', async () => {
  const image = await site.publish('team/verdicts')
  await push(image, keys.vendor)
  await push(image, keys.stranger)
  const broken = await site.signFile(image, keys.operations, (bytes) =>
    bytes.with(-1, (bytes.at(-1) as number) ^ 1),
  )
  accepted(await server.command(token, ['push', broken]))
  assert.deepEqual(
    (await documents(image)).map(({ verdict, key }) => [verdict, key?.userId]),
    [
      ['valid', 'vendor <vendor@example.com>'],
      ['unknown-key', undefined],
      ['bad', 'operations <operations@example.com>'],
    ],
  )
  assert.deepEqual(
    (await documents(image, '--verdict', 'bad')).map(({ slot }) => slot),
    [3],
  )
  // The genuine one takes the place of the broken copy only where it is the same signature: RSA has one value.
  await nextSecond()
  await push(image, keys.operations)
  assert.equal((await documents(image)).length, 4)
})

test('so many of some keys open a gate, each counted once', async () => {
  const image = await site.publish('team/quorum')
  await push(image, keys.vendor)
  const one = await verify(image, '--gate', 'quorum')
  refused(one, /1 of 2 keys: signature-1, vendor .*; wanted: security .* or operations /)
  assert.equal(one.code, 1)
  await push(image, keys.operations)
  accepted(await verify(image, '--gate', 'quorum'))
})

test('a signature that is too old does not open a gate that asks for a fresh one', async () => {
  const image = await site.publish('team/aged')
  await push(image, keys.vendor, '20210101T000000')
  refused(await verify(image, '--gate', 'fresh'), /signature-1: it is too old, signed 2021-01-01T00:00:00Z/)
  await push(image, keys.vendor)
  accepted(await verify(image, '--gate', 'fresh'))
})

test('a nightly signature takes the place of the one before, and clients accept it', async () => {
  const image = await site.publish('team/nightly')
  const machine = await site.configuredMachine()
  machine.require(signedBy(keys.vendor))
  for (const night of ['20210101', '20210102', '20210103']) await push(image, keys.vendor, `${night}T020000`)
  // One that comes late, as from a queue.
  const late = await site.signFile(image, keys.vendor, (bytes) => bytes, '20201231T020000')
  const outcome = await server.command(token, ['push', late])
  accepted(outcome)
  assert.match(outcome.stdout + outcome.stderr, /a later one by the same key/)
  const [signature, ...others] = await documents(image)
  assert.deepEqual(others, [])
  assert.deepEqual([signature?.slot, signature?.signer?.unverifiedCreated], [1, '2021-01-03T02:00:00.000Z'])
  for (const pull of Object.values(clients)) accepted(await pull(machine, image))
  accepted(await server.administer('fsck'))
})

test('verdicts and gates follow the keyring within seconds, without a restart', async () => {
  const image = await site.publish('team/changing')
  const file = join(folder, 'changing.gpg')
  await push(image, keys.stranger)
  const verdictIs = (verdict: string) => async () => (await documents(image))[0]?.verdict === verdict
  assert.equal(await verdictIs('unknown-key')(), true)

  // A key that was not there before vouches for what it had signed.
  writeKeyring(file, keys.security, keys.stranger)
  await eventually(verdictIs('valid'))
  await eventually(async () => (await verify(image, '--gate', 'changing')).code === 0)

  writeFileSync(file, 'no key')
  await eventually(async () =>
    server.log().some(({ msg }) => String(msg).startsWith('the policy cannot be used')),
  )
  assert.equal(await verdictIs('valid')(), true)

  await gnupg.revoke(keys.stranger)
  writeKeyring(file, keys.security, keys.stranger)
  await eventually(verdictIs('revoked'))
  await eventually(async () => {
    const { code, stdout } = await verify(image, '--gate', 'changing')
    return code === 1 && /the key of stranger .* is revoked/.test(stdout)
  })
  assert.deepEqual(
    (await documents(image, '--verdict', 'revoked')).map(({ slot }) => slot),
    [1],
  )

  writeKeyring(file, keys.security)
  await eventually(verdictIs('unknown-key'))
})

test('a gate that asks for more keys than there are stops the start', async () => {
  const gates = {
    impossible: { policy: join(folder, 'open.json'), keys: [{ atLeast: 2, of: [keys.vendor.publicKey] }] },
  }
  const start = startLookaside(join(folder, 'impossible'), { gates })
  await assert.rejects(start, /ended with 2.*gates\.impossible\.keys\[0\] asks for 2 keys, and has 1/s)
})
