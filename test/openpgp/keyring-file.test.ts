import assert from 'node:assert/strict'
import test from 'node:test'
import { type Keyring, readKeyring } from '../../src/openpgp/keyring.ts'
import { fixture } from './fixture.ts'
import { certification, ed25519Pair, forgeKey, keyPacket, userIdPacket } from './forge.ts'
import { armored, checksumOf, octets, packet, uint32 } from './write.ts'

const start = 1_700_000_000
const name = 'Signer <signer@example.org>'
const key = forgeKey(ed25519Pair(), start)
const other = forgeKey(ed25519Pair(), start)
const second = forgeKey(ed25519Pair(), start)

const head = keyPacket(key)
const plain = (of = key) => Buffer.concat([keyPacket(of), userIdPacket(name), certification(of, name)])

function summary({ certificates }: Keyring): string[] {
  return certificates
    .map(({ fingerprint, userIds, keys }) => `${fingerprint} ${userIds} ${keys.length}`)
    .sort()
}

test('a keyring of gpg with many keys is the same in binary and armored', async () => {
  const binary = await readKeyring(fixture('keyrings/all.gpg'))
  const text = await readKeyring(fixture('keyrings/all.asc'))
  assert.deepEqual(summary(binary), summary(text))
  assert.deepEqual(binary.warnings, [])
  assert.equal(binary.certificates.length, 17)
  assert.ok(binary.certificates.flatMap(({ keys }) => keys).every(({ publicKey }) => publicKey !== null))
})

const blockOf = (bytes: Uint8Array, options = {}) =>
  armored(bytes, { label: 'PGP PUBLIC KEY BLOCK', checksum: checksumOf(bytes), ...options })

/** A certificate with so many octets more than a multiple of three. */
const plainOfRemainder = (remainder: number): Buffer => {
  const bytes = [1, 2, 3].map((more) => {
    return Buffer.concat([plain(), userIdPacket(`without a signature ${'x'.repeat(more)}`)])
  })
  return bytes.find(({ length }) => length % 3 === remainder) as Buffer
}

test('armored blocks are read with any text before, between and behind them', async () => {
  const blocks = [plain(), plain(second)].map((bytes) =>
    blockOf(bytes, { headers: 'Comment: x\n' }).toString(),
  )
  const text = `Our keys\n\n${blocks.join('\nÄnd\n-----BEGIN PGP SIGNATURE-----\n\nxx\n')}\nBye`
  for (const form of [text, text.replaceAll('\n', '\r\n'), `\uFEFF${text}`]) {
    const { certificates, warnings } = await readKeyring(Buffer.from(form))
    assert.equal(certificates.length, 2)
    assert.deepEqual(warnings, [])
  }
})

test('a damaged block is told of and leaves the others', async () => {
  const text = `${blockOf(plain())
    .toString()
    .replace(/^[^-\n].*/m, '!!!')}${blockOf(plain(second))}`
  const keyring = await readKeyring(Buffer.from(text))
  assert.deepEqual(
    keyring.certificates.map(({ fingerprint }) => fingerprint),
    [second.fingerprint],
  )
  assert.match(keyring.warnings[0] ?? '', /the block at line 1 is no ASCII armor/)
})

for (const remainder of [0, 1, 2])
  test(`a block of 3n + ${remainder} octets is read without a checksum only where gpg 2.2 reads it`, async () => {
    const bytes = plainOfRemainder(remainder)
    const keyring = Buffer.from(`${blockOf(bytes, { checksum: '' })}${blockOf(plain(second))}`)
    const { certificates, warnings } = await readKeyring(keyring)
    assert.equal(certificates.length, remainder === 0 ? 1 : 2)
    assert.match(warnings.join(), remainder === 0 ? /line 1 .*: it has no checksum/ : /^$/)
  })

for (const [what, options, problem] of [
  ['a wrong checksum', { checksum: 'AAAA' }, /its checksum does not match/],
  ['a line of headers that is none', { headers: 'nonsense\n' }, /a line before its data is not a header/],
] as const)
  test(`a block with ${what} is left out, as clients leave it out`, async () => {
    const keyring = Buffer.from(`${blockOf(plain(), options)}${blockOf(plain(second))}`)
    const { certificates, warnings } = await readKeyring(keyring)
    assert.deepEqual(
      certificates.map(({ fingerprint }) => fingerprint),
      [second.fingerprint],
    )
    assert.match(warnings.join(), problem)
  })

test('a key of an unknown algorithm or version is told of and leaves the others', async () => {
  const unknown = Buffer.concat([octets([4]), uint32(start), octets([99, 1, 2, 3])])
  const version3 = Buffer.concat([octets([3]), uint32(start), octets([0, 0, 1, 0, 1, 1])])
  const keyring = await readKeyring(Buffer.concat([packet(6, unknown), packet(6, version3), plain()]))
  assert.equal(keyring.certificates.length, 1)
  assert.match(keyring.warnings[0] ?? '', /^the key [0-9A-F]{40} cannot be read: /)
  assert.match(keyring.warnings[1] ?? '', /^a key of version 3 cannot be read: /)
})

test('what is not OpenPGP at the end of a file is told of', async () => {
  const keyring = await readKeyring(Buffer.concat([plain(), Buffer.from('garbage')]))
  assert.equal(keyring.certificates.length, 1)
  assert.match(keyring.warnings[0] ?? '', /^from octet \d+ on, the file is not OpenPGP$/)
})

const unusable: [string, Uint8Array, RegExp][] = [
  ['empty', Buffer.alloc(0), /no public key/],
  ['text without a block', Buffer.from('hello\n'), /no public key/],
  ['a key without a user id', head, /signed/],
  [
    'a user id that somebody else signed',
    Buffer.concat([head, userIdPacket(name), certification(other, name)]),
    /signed/,
  ],
  ['a keybox', Buffer.from('\0\0\0\x20\x01\x01\0\x02KBXf'), /keybox/],
  ['a secret key', Buffer.concat([plain(), packet(5, key.body)]), /secret key/],
  ['a secret subkey', Buffer.concat([plain(), packet(7, key.body)]), /secret key/],
  ['an armored secret key', armored(plain(), { label: 'PGP PRIVATE KEY BLOCK' }), /secret key/],
  ['a secret key under another label', blockOf(packet(5, key.body)), /secret key/],
]
for (const [what, bytes, reason] of unusable) {
  test(`no keyring: ${what}`, async () => {
    await assert.rejects(readKeyring(bytes), (error: Error & { code: string }) => {
      assert.equal(error.code, 'keyring')
      assert.match(error.message, reason)
      return true
    })
  })
}
