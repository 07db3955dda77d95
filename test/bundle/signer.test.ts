import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRepository } from '../../src/reference/repository.ts'
import { fixture } from '../openpgp/fixture.ts'
import { type Courier, newCourier, signerOf } from './courier.ts'
import { newStore, type Store } from './stores.ts'

const [vendor, other, successor] = (await Promise.all(['vendor', 'other', 'successor'].map(newCourier))) as [
  Courier,
  Courier,
  Courier,
]

/** Imports what `courier` signed, by a keyring of `keys`. */
const importSigned = async (
  target: Store,
  bundle: Buffer,
  { by, keys = [by], newSigner = false }: { by: Courier; keys?: Courier[]; newSigner?: boolean },
) => {
  const signed = await by.sign(bundle)
  return target.import(signed, { signer: await signerOf(signed, ...keys), newSigner })
}

const started = async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  await importSigned(target, await origin.bundle(), { by: vendor })
  await origin.upload()
  return { origin, target, later: await origin.bundle(), before: await target.served() }
}

test('who signed the bundles of a log goes on to: no unsigned one speaks for it, and none of another signer', async () => {
  const { target, later, before } = await started()
  await assert.rejects(target.import(later), {
    code: 'bundle-not-signed',
    message: new RegExp(`were signed by ${vendor.fingerprint}, so name a keyring that has this key`),
  })
  await assert.rejects(target.import(await vendor.sign(later)), { code: 'bundle-not-signed' })
  await assert.rejects(importSigned(target, later, { by: other }), {
    code: 'bundle-not-signed',
    message: new RegExp(
      `signed by ${other.fingerprint}, .* were signed by ${vendor.fingerprint}, which the keyring lacks`,
    ),
  })
  assert.deepEqual(await target.served(), before)
  // Where nobody has signed anything it is another matter.
  await target.import(later, { prefix: parseRepository('elsewhere') })
  assert.equal((await importSigned(target, later, { by: vendor })).added, 1)
})

test('a keyring with the key before and the next one hands over, and the one before can speak no more', async () => {
  const { origin, target, later } = await started()
  const report = await importSigned(target, later, { by: successor, keys: [vendor, successor] })
  assert.match(
    report.warnings.join(),
    new RegExp(`by ${vendor.fingerprint} until now, and are by ${successor.fingerprint}`),
  )
  await origin.upload()
  const third = await origin.bundle()
  await assert.rejects(importSigned(target, third, { by: vendor }), { code: 'bundle-not-signed' })
  const last = await importSigned(target, third, { by: successor })
  assert.deepEqual([last.added, last.warnings], [1, []])
})

test('a key that has expired or was revoked can hand over, too', async () => {
  const [expired, revoked] = ['expired', 'revoked-0'].map((name) => ({
    ...other,
    publicKey: fixture(`keyrings/${name}.gpg`),
  })) as [Courier, Courier]
  const { accepted, primary } = await signerOf(
    await vendor.sign(await newStore().bundle()),
    vendor,
    expired,
    revoked,
  )
  assert.deepEqual([accepted.size, primary], [3, vendor.fingerprint])
})

test('a key that was lost is given up for another one, but for none that nobody verified', async () => {
  const { target, later } = await started()
  await assert.rejects(target.import(later, { newSigner: true }), { code: 'bundle-not-signed' })
  assert.equal((await importSigned(target, later, { by: other, newSigner: true })).added, 1)
  await assert.rejects(importSigned(target, later, { by: vendor }), { code: 'bundle-not-signed' })
})

test('a signed bundle that is not taken to its end makes nobody the signer', async () => {
  const [origin, target] = [newStore(), newStore()]
  await origin.upload()
  const bundle = await origin.bundle()
  const signed = await other.sign(bundle)
  const signer = await signerOf(signed, other)
  await assert.rejects(target.import(signed.subarray(0, -1), { signer }), { code: 'bundle-invalid' })
  assert.equal((await importSigned(target, bundle, { by: vendor })).present, 1)
})
