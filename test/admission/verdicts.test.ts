import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admission } from '../../src/admission/admit.ts'
import { verdictKeeper } from '../../src/admission/verdicts.ts'
import { type Keyring, readKeyring } from '../../src/openpgp/keyring.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import {
  binding,
  certification,
  ed25519Pair,
  flag,
  forgeKey,
  forgeMessage,
  keyPacket,
  subkeyPacket,
  subpacket,
  userIdPacket,
} from '../openpgp/forge.ts'
import { octets } from '../openpgp/write.ts'
import { claimOf, exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const created = 1_700_000_000

function newKey(name: string) {
  const key = forgeKey(ed25519Pair(), created)
  const certificate = Buffer.concat([keyPacket(key), userIdPacket(name), certification(key, name)])
  return { key, certificate }
}

const alice = newKey('alice')
const bob = newKey('bob')

const keyringOf = (...members: { certificate: Buffer }[]): Promise<Keyring> =>
  readKeyring(...members.map(({ certificate }) => certificate))

const admin = { name: 'test', scopes: [{ action: 'admin' as const }] }

/** Signatures that were admitted while no key was known. */
async function storeUntried(storage: Storage, count: number, by: typeof alice): Promise<void> {
  const admit = admission(storage, { digestViews: [], sigstoreJson: false })
  for (let tag = 0; tag < count; tag++) {
    const claim = claimOf({ reference: `registry.example.com/team/app:${tag}`, digest: exampleDigest() })
    const bytes = forgeMessage(by.key, Buffer.from(claim))
    await admit({
      bytes,
      principal: admin,
      actor: 'test',
      origin: commandLine,
      repository: null,
      digest: null,
    })
  }
}

const countOf = async (storage: Storage, verdict: 'valid' | 'unknown-key') =>
  (await storage.list({ verdict, limit: 1000 })).signatures.length

const never = () => false

test('a key that comes later is tried with what it issued, in steps that can be interrupted', async (t) => {
  const storage = openSqlite({ dataFolder: temporaryFolder() })
  t.after(() => storage.close())
  await storeUntried(storage, 40, alice)
  await storeUntried(storage, 2, bob)
  const keeper = verdictKeeper(storage)
  keeper.use(await keyringOf(alice))
  let looks = 0
  await keeper.step(() => ++looks > 2)
  const first = await countOf(storage, 'valid')
  assert.ok(first > 0 && first < 40, `${first} were tried`)
  keeper.close()

  const next = verdictKeeper(storage)
  next.use(await keyringOf(alice))
  await next.step(never)
  assert.equal(await countOf(storage, 'valid'), 40)
  assert.equal(await countOf(storage, 'unknown-key'), 2)
  next.close()
})

test('of two processes one keeps the verdicts, by its keys, until it ends', async (t) => {
  const dataFolder = temporaryFolder()
  const [one, other] = [openSqlite({ dataFolder }), openSqlite({ dataFolder })]
  t.after(() => Promise.all([one.close(), other.close()]))
  await storeUntried(one, 1, alice)
  await storeUntried(one, 1, bob)
  const [first, second] = [verdictKeeper(one), verdictKeeper(other)]
  first.use(await keyringOf(alice))
  await first.step(never)
  // Whoever comes with other keys, or none, takes nothing away from it.
  for (const keyring of [await keyringOf(bob), await readKeyring()]) {
    second.use(keyring)
    await second.step(never)
    assert.equal(await countOf(other, 'valid'), 1)
  }
  second.use(await keyringOf(alice, bob))
  first.close()
  await second.step(never)
  assert.equal(await countOf(one, 'valid'), 2)
  second.close()
})

test('a key that comes while others are tried is tried with everything too', async (t) => {
  const storage = openSqlite({ dataFolder: temporaryFolder() })
  t.after(() => storage.close())
  await storeUntried(storage, 40, alice)
  await storeUntried(storage, 2, bob)
  const both = await keyringOf(alice, bob)
  const keeper = verdictKeeper({
    ...storage,
    async untried(...asked) {
      keeper.use(both)
      return storage.untried(...asked)
    },
  })
  keeper.use(await keyringOf(alice))
  for (let steps = 0; steps < 3; steps++) await keeper.step(never)
  assert.equal(await countOf(storage, 'valid'), 42)
  keeper.close()
})

test('a key that somebody else has bound to his own is still that of its owner', async (t) => {
  const storage = openSqlite({ dataFolder: temporaryFolder() })
  t.after(() => storage.close())
  await storeUntried(storage, 1, alice)
  // Bound by mallory alone, as a key that signs: alice's has not signed that it belongs to him.
  const mallory = newKey('mallory')
  const signs = subpacket(27, octets([flag.sign]))
  const taken = Buffer.concat([
    mallory.certificate,
    subkeyPacket(alice.key),
    binding(mallory.key, alice.key, { hashed: [signs] }),
  ])
  for (const order of [
    [alice.certificate, taken],
    [taken, alice.certificate],
  ]) {
    const keeper = verdictKeeper(storage)
    keeper.use(await readKeyring(...order))
    await keeper.step(never)
    const [signature] = (await storage.list({ limit: 1 })).signatures
    assert.deepEqual([signature?.verdict, signature?.key?.userId], ['valid', 'alice'])
    keeper.close()
  }
})

test('a step that fails is done by the next one', async (t) => {
  const storage = openSqlite({ dataFolder: temporaryFolder() })
  t.after(() => storage.close())
  await storeUntried(storage, 3, alice)
  let failures = 2
  const keeper = verdictKeeper({
    ...storage,
    addChecks: async (checks) => {
      if (failures-- > 0) throw new Error('the disk is full')
      await storage.addChecks(checks)
    },
  })
  keeper.use(await keyringOf(alice))
  for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(keeper.step(never), /disk is full/)
  assert.equal(await countOf(storage, 'valid'), 0)
  await keeper.step(never)
  assert.equal(await countOf(storage, 'valid'), 3)
  keeper.close()
})
