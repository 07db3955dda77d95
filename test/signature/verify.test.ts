import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { verifySignature } from '../../src/signature/verify.ts'
import { build, keysMade, release, signatureBy, signedAt } from '../library/signed-image.ts'

const keyring = await readKeyring(build.keyring)
const upload = signatureBy(build)

suite('a signature by a key of the keyring', () => {
  test('is valid, of that key, whether it was read or comes as octets', () => {
    for (const signature of [upload, readSignature(upload)]) {
      const { verdict, key, created, expires, until } = verifySignature(signature, keyring)
      assert.equal(verdict, 'valid')
      assert.deepEqual(key?.certificate.userIds, [build.userId])
      assert.deepEqual({ created, expires, until }, { created: signedAt, expires: null, until: null })
    }
  })

  test('is judged as of the moment that is given, as a Date or in milliseconds', () => {
    for (const now of [new Date((keysMade - 1) * 1000), (keysMade - 1) * 1000])
      assert.equal(verifySignature(upload, keyring, now).verdict, 'bad')
    for (const now of [new Date(signedAt * 1000), signedAt * 1000])
      assert.equal(verifySignature(upload, keyring, now).verdict, 'valid')
  })
})

test('a signature by another key is by an unknown one', () => {
  const { verdict, key } = verifySignature(signatureBy(release), keyring)
  assert.deepEqual({ verdict, key }, { verdict: 'unknown-key', key: null })
})

test('what is no moment is none: no signature would seem to expire', () => {
  for (const now of [new Date('soon'), Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => verifySignature(upload, keyring, now), RangeError)
})

test('a signature in the sigstore-json format is not verified, and that is said', () => {
  assert.throws(() => verifySignature({ message: null }, keyring), { code: 'format-not-permitted' })
})
