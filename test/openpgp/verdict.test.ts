import assert from 'node:assert/strict'
import test from 'node:test'
import { readKeyring, type VerificationKey } from '../../src/openpgp/keyring.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { type Verdict, verdictNames, verdictOf, verifyMessage } from '../../src/openpgp/verdict.ts'
import type { CheckResult } from '../../src/openpgp/verify.ts'
import { fixture } from './fixture.ts'
import {
  binding,
  certification,
  ed25519Pair,
  type ForgedKey,
  forgeKey,
  forgeMessage,
  keyPacket,
  subkeyPacket,
  userIdPacket,
} from './forge.ts'
import { expires, octets, subpacket, uint32 } from './write.ts'

const seconds = (date: string) => Date.parse(date) / 1000
const signed = seconds('2025-01-01')
const day = 86_400

async function ofFixture(name: string, keyring = name, now = seconds('2025-03-01')): Promise<Verdict> {
  return verifyMessage(
    readMessage(fixture(`keyrings/${name}.sig`)),
    await readKeyring(fixture(`keyrings/${keyring}.gpg`)),
    now,
  )
}

test('a valid signature tells who made it and when', async () => {
  const verdict = await ofFixture('subkey')
  assert.equal(verdict.verdict, 'valid')
  assert.equal(verdict.created, signed)
  assert.equal(verdict.expires, null)
  assert.equal(verdict.until, null)
  const { key } = verdict
  assert.ok(key)
  assert.deepEqual(key.certificate.userIds, ['subkey'])
  assert.notEqual(key.fingerprint, key.certificate.fingerprint)
  assert.deepEqual(
    key.certificate.keys.map(({ fingerprint }) => fingerprint),
    [key.certificate.fingerprint, key.fingerprint],
  )
})

test('keys are judged as of now, and the verdict says until when it holds', async () => {
  const expiry = seconds('2025-01-15T12:00:00')
  const before = await ofFixture('expired', 'expired', signed)
  assert.equal(before.verdict, 'valid')
  assert.ok(before.until !== null && Math.abs(before.until - expiry) <= day)
  assert.equal((await ofFixture('expired', 'expired', before.until - 1)).verdict, 'valid')
  const after = await ofFixture('expired', 'expired', before.until)
  assert.equal(after.verdict, 'key-expired')
  assert.equal(after.until, null)
})

test('a key whose expiry was put off after it had signed is good', async () => {
  assert.equal((await ofFixture('extended')).verdict, 'valid')
})

for (const reason of [0, 1, 2, 3]) {
  test(`a key that was revoked after it had signed is revoked, for reason ${reason} too`, async () => {
    assert.equal((await ofFixture(`revoked-${reason}`, `revoked-${reason}-before`)).verdict, 'valid')
    assert.equal((await ofFixture(`revoked-${reason}`)).verdict, 'revoked')
  })
}

test('a signature of a key that is not there is of an unknown key', async () => {
  const verdict = await ofFixture('rsa2048', 'ed25519')
  assert.equal(verdict.verdict, 'unknown-key')
  assert.equal(verdict.key, null)
})

const pair = ed25519Pair()
const key = forgeKey(pair, signed)
const flags = subpacket(27, octets([3]))

async function verdictAt(now: number, options: object, hashed: Buffer[] = [flags]): Promise<Verdict> {
  const named = [userIdPacket('signer'), certification(key, 'signer', { hashed })]
  const keyring = await readKeyring(Buffer.concat([keyPacket(key), ...named]))
  return verifyMessage(readMessage(forgeMessage(key, Buffer.from('{}'), options)), keyring, now)
}

test('a signature expires', async () => {
  const before = await verdictAt(signed + 9, { hashed: [expires(10)] })
  assert.deepEqual([before.verdict, before.expires, before.until], ['valid', signed + 10, signed + 10])
  const after = await verdictAt(signed + 10, { hashed: [expires(10)] })
  assert.deepEqual([after.verdict, after.until], ['expired', null])
})

test('an end that does not fit 32 bits has passed, as it has for gpg', async () => {
  assert.equal((await verdictAt(signed, { hashed: [expires(0xffffffff)] })).verdict, 'expired')
  assert.equal(
    (await verdictAt(signed, {}, [flags, subpacket(9, uint32(0xffffffff))])).verdict,
    'key-expired',
  )
})

test('a signature dated more than five minutes ahead is bad until then', async () => {
  const created = signed + day
  assert.equal((await verdictAt(created - 300, { created })).verdict, 'valid')
  const early = await verdictAt(created - 301, { created })
  assert.deepEqual([early.verdict, early.until], ['bad', created - 300])
})

test('a key made in the future is not good before', async () => {
  const verdict = await verdictAt(signed - 1, {})
  assert.deepEqual([verdict.verdict, verdict.until], ['bad', signed])
})

test('a verdict that time changes twice tells the next change', async () => {
  const lasting = [flags, subpacket(9, uint32(day))]
  const first = await verdictAt(signed, { hashed: [expires(10)] }, lasting)
  assert.deepEqual([first.verdict, first.until], ['valid', signed + 10])
  const second = await verdictAt(signed + 10, { hashed: [expires(10)] }, lasting)
  assert.deepEqual([second.verdict, second.until], ['expired', signed + day])
  assert.equal((await verdictAt(signed + day, { hashed: [expires(10)] }, lasting)).verdict, 'key-expired')
})

test('a certificate that claims the key of another one as its subkey does not get its signatures', async () => {
  const thief = forgeKey(ed25519Pair(), signed)
  const stolen = [subkeyPacket(key), binding(thief, key, { hashed: [flags] })]
  const certificateOf = (of: ForgedKey) => [
    keyPacket(of),
    userIdPacket('x'),
    certification(of, 'x', { hashed: [flags] }),
  ]
  const message = readMessage(forgeMessage(key, Buffer.from('{}')))
  const claimed = await readKeyring(Buffer.concat([...certificateOf(thief), ...stolen]))
  assert.equal(verifyMessage(message, claimed, signed).verdict, 'not-signing-key')
  const both = await readKeyring(Buffer.concat([...certificateOf(thief), ...stolen, ...certificateOf(key)]))
  const verdict = verifyMessage(message, both, signed)
  assert.deepEqual([verdict.verdict, verdict.key?.certificate.fingerprint], ['valid', key.fingerprint])
})

test('of several keys the one with the best verdict counts', async () => {
  const { certificates } = await readKeyring(fixture('keyrings/all.gpg'))
  const keys = certificates.flatMap((certificate) => certificate.keys)
  const named = (name: string) =>
    keys.find(({ certificate }) => certificate.userIds[0] === name) as VerificationKey
  const times = { unverifiedCreated: signed, unverifiedExpires: null }
  const judge = (...checks: [string, CheckResult][]) =>
    verdictOf(
      times,
      checks.map(([name, result]) => ({ key: named(name), result })),
      seconds('2025-03-01'),
    )
  const [bad, good] = [judge(['rsa2048', 'bad']), judge(['rsa2048', 'bad'], ['rsa3072', 'good'])]
  assert.deepEqual([bad.verdict, good.verdict], ['bad', 'valid'])
  assert.equal(good.key, named('rsa3072'))
  const ranked: [string, CheckResult][] = [
    ['rsa2048', 'bad'],
    ['rsa3072', 'unsupported'],
    ['dsa2048', 'weak'],
    ['revoked-1', 'good'],
    ['expired', 'good'],
    ['ed25519', 'good'],
  ]
  const seen = ranked.map((_, count) => judge(...ranked.slice(0, count + 1)).verdict)
  assert.deepEqual(seen, ['bad', 'unsupported', 'weak', 'revoked', 'key-expired', 'valid'])
  const ranks = seen.map((verdict) => verdictNames.indexOf(verdict))
  assert.deepEqual(
    ranks,
    ranks.toSorted((one, other) => one - other),
  )
})

test('what is wrong with the signature itself comes before what is wrong with its key', async () => {
  const { certificates } = await readKeyring(fixture('keyrings/revoked-1.gpg'))
  const key = certificates[0]?.keys[0] as VerificationKey
  const times = { unverifiedCreated: signed, unverifiedExpires: signed + 1 }
  const verdicts = (['bad', 'weak', 'good'] as const).map(
    (result) => verdictOf(times, [{ key, result }], seconds('2025-03-01')).verdict,
  )
  assert.deepEqual(verdicts, ['bad', 'weak', 'revoked'])
})
