import {
  backSignature,
  binding,
  certification,
  directSignature,
  ecdsaPair,
  ed25519Pair,
  type ForgedKey,
  forgeKey,
  forgeMessage,
  keyPacket,
  rsaPair,
  type SignatureOptions,
  subkeyPacket,
  userIdPacket,
} from '../openpgp/forge.ts'
import { expires, issuer, issuerFingerprint, octets, subpacket, uint32 } from '../openpgp/write.ts'

/** A keyring and a message, to be judged at one time by gpg and here, and as of today by skopeo. */
export interface Case {
  name: string
  keyring: Buffer
  message: Buffer
  /** Seconds since 1970. */
  now: number
  /** The fingerprints of the key that signed and of its primary key: the same, but for subkeys. */
  signer: string
  primary: string
  /** Why what is valid for gpg is not here. */
  stricter: string | null
}

const day = 86_400
const start = 1_700_000_000
const later = start + 100 * day

const key = forgeKey(ed25519Pair(), start)
const other = forgeKey(ed25519Pair(), start)
const third = forgeKey(ed25519Pair(), start)
const name = 'A <a@example.org>'
const secondName = 'B <b@example.org>'

const flags = (...octet: number[]) => subpacket(27, octets(octet))
const certifyAndSign = flags(3)
const certifyOnly = flags(1)
const sign = flags(2)
const lasts = (seconds: number) => subpacket(9, uint32(seconds))
const critical = (type: number, body = octets([0, 0, 0, 0, 0, 0, 0, 0, 0])) =>
  subpacket(type, body, { critical: true })

const named = (options: SignatureOptions = {}, by = key, as = name) => [
  userIdPacket(as),
  certification(by, as, { hashed: [certifyAndSign], ...options }),
]
const plain = (by = key) => [keyPacket(by), ...named({}, by)]
const withSelf = (options: SignatureOptions) => [keyPacket(key), ...named(options)]
const again = (options: SignatureOptions) => certification(key, name, options)
const withKeySignature = (signature: Buffer) => [keyPacket(key), signature, ...named()]
const revocation = (options: SignatureOptions = {}, by = key) =>
  directSignature(by, { type: 0x20, created: start + 50, ...options }, key)
const reason = (code: number) => subpacket(29, octets([code]))
const back = backSignature(key, other)
const bound = (options: SignatureOptions) => binding(key, other, options)
const withSubkey = (options: SignatureOptions, ...more: Buffer[]) => [
  ...plain(),
  subkeyPacket(other),
  bound(options),
  ...more,
]
const revoker = subpacket(12, Buffer.concat([octets([0x80, 22]), Buffer.from(third.fingerprint, 'hex')]))
const appointment = directSignature(key, { hashed: [revoker] })

/** With the messages over `payload`. */
export function cases(payload: Buffer): Case[] {
  const found: Case[] = []
  interface Options {
    by?: ForgedKey
    message?: SignatureOptions
    now?: number
    stricter?: string
  }
  const add = (
    what: string,
    keyring: Buffer[],
    { by = key, message = {}, now = later, stricter }: Options = {},
  ) =>
    found.push({
      name: what,
      keyring: Buffer.concat(keyring),
      message: forgeMessage(by, payload, { created: start + 10, ...message }),
      now,
      signer: by.fingerprint,
      primary: (by === other ? key : by).fingerprint, // `other` signs as a subkey alone
      stricter: stricter ?? null,
    })

  add('plain', plain())
  add('another key', plain(other))
  add('two keys', [...plain(other), ...plain()])
  add('without flags', withSelf({ hashed: [] }))
  add('empty flags', withSelf({ hashed: [flags()] }))
  add('only certifies', withSelf({ hashed: [certifyOnly] }))
  add('flags of a generic certification', withSelf({ type: 0x10 }))
  add('user id revoked', [...plain(), again({ type: 0x30, created: start + 5 })])
  add('user id revoked and certified again', [
    ...withSelf({ created: start + 50 }),
    again({ type: 0x30, created: start + 5 }),
  ])
  const limited = { hashed: [certifyOnly], created: start + 3 }
  add('the later user id only certifies', [...plain(), ...named(limited, key, secondName)])
  add('the later user id only certifies and is revoked', [
    ...plain(),
    ...named(limited, key, secondName),
    certification(key, secondName, { type: 0x30, created: start + 5 }),
  ])
  add('direct signature allows signing', [
    ...withKeySignature(directSignature(key, { hashed: [sign] })).slice(0, 2),
    ...named({ hashed: [certifyOnly], created: start + 5 }),
  ])
  add('direct signature ends the key', withKeySignature(directSignature(key, { hashed: [lasts(30 * day)] })))
  add(
    'direct signature that has expired',
    withKeySignature(directSignature(key, { hashed: [expires(day), lasts(day)] })),
  )
  add('direct signature alone', [keyPacket(key), directSignature(key, { hashed: [sign] })])
  add('no self-signature', [keyPacket(key), userIdPacket(name)])
  add('signed by another key only', [keyPacket(key), userIdPacket(name), certification(other, name)])
  add('self-signature dated ahead', withSelf({ created: later + day }))
  add('self-signature older than the key', withSelf({ created: start - 5 }))
  const lapsed = { hashed: [certifyAndSign, expires(day)] }
  add('self-signature expired', withSelf(lapsed), { stricter: 'a self-signature that has expired is none' })
  add('self-signature not yet expired', withSelf({ hashed: [certifyAndSign, expires(20_000 * day)] }))
  for (const hashAlgorithm of [1, 2, 3])
    add(`self-signature, hash ${hashAlgorithm}`, withSelf({ hashAlgorithm }))

  const short = [...withSelf({ hashed: [certifyAndSign, lasts(day)] })]
  const oneSecond = 'a key has expired in the second when it does, not the one after'
  for (const off of [-1, 1]) add(`key expires, ${off}`, short, { now: start + day + off })
  add('key expires in that second', short, { now: start + day, stricter: oneSecond })
  add('extended for ever', [...short, again({ created: start + 5, hashed: [certifyAndSign] })])
  add('extended', [...short, again({ created: start + 5, hashed: [certifyAndSign, lasts(5000 * day)] })])
  add('extended after signing', [...short, again({ created: later - 5, hashed: [certifyAndSign] })])
  add('extended by a signature dated ahead', [
    ...short,
    again({ created: later + day, hashed: [certifyAndSign] }),
  ])
  add('extended by another user id', [...short, ...named({ created: start + 5 }, key, secondName)])
  add('key expires in 2^32 seconds', withSelf({ hashed: [certifyAndSign, lasts(0xffffffff)] }))

  for (const code of [0, 1, 2, 3, 32, 100])
    add(`revoked for reason ${code}`, withKeySignature(revocation({ hashed: [reason(code)] })))
  add('revoked ahead of time', withKeySignature(revocation({ created: later + 50 })))
  add('revoked for a while', withKeySignature(revocation({ hashed: [expires(10)] })))
  add('revoked before it was made', withKeySignature(revocation({ created: start - 50 })))
  add('revoked at the end', [...plain(), revocation()])
  for (const hashAlgorithm of [1, 2, 3, 10])
    add(`revoked, hash ${hashAlgorithm}`, withKeySignature(revocation({ hashAlgorithm })))
  add('revoked, version 3', withKeySignature(revocation({ version: 3 })))
  add('revoked, with an unknown demand', withKeySignature(revocation({ hashed: [critical(99)] })))
  add('revoked by another key', [...withKeySignature(revocation({}, third)), ...plain(third)])
  const falsely = withKeySignature(
    revocation({ unhashed: [issuer(key.keyId)], withFingerprint: false }, other),
  )
  add('falsely revoked', falsely)
  add('falsely revoked, then a copy that is revoked', [...falsely, ...withKeySignature(revocation())])
  add('a copy that is revoked', [...plain(), ...withKeySignature(revocation())])
  add('a copy that is not revoked', [...withKeySignature(revocation()), ...plain()])
  const designated = [keyPacket(key), appointment, revocation({}, third), ...named()]
  add('revoked by a designated revoker', [...designated, ...plain(third)])
  add('revoked by a designated revoker who is missing', designated)
  add('a designated revoker who has not revoked', [...withKeySignature(appointment), ...plain(third)])

  const by = other
  const good = { hashed: [sign, back] }
  add('subkey', withSubkey(good), { by })
  add(
    'subkey, signed back outside the hash',
    withSubkey({ hashed: [sign], unhashed: [issuer(key.keyId), back] }),
    { by },
  )
  add('subkey, not signed back', withSubkey({ hashed: [sign] }), { by })
  add(
    'subkey, signed back by the wrong key',
    withSubkey({ hashed: [sign, backSignature(key, other, key)] }),
    { by },
  )
  add('subkey for encryption', withSubkey({ hashed: [flags(4), back] }), { by })
  add('subkey without flags', withSubkey({ hashed: [back] }), { by })
  add('subkey expired', withSubkey({ hashed: [sign, back, lasts(day)] }), { by })
  add(
    'subkey extended',
    withSubkey({ hashed: [sign, back, lasts(day)] }, bound({ created: start + 5, ...good })),
    { by },
  )
  add('subkey, binding expired', withSubkey({ hashed: [sign, back, expires(day)] }), { by })
  const lapsing = bound({ created: start + 5, hashed: [sign, back, expires(day)] })
  add('subkey, later binding expired', withSubkey(good, lapsing), { by })
  add(
    'subkey, later binding not signed back',
    withSubkey(good, bound({ created: start + 5, hashed: [sign] })),
    { by },
  )
  for (const version of [3, 4] as const)
    add(`subkey revoked, version ${version}`, withSubkey(good, bound({ type: 0x28, version })), { by })
  add(
    'subkey revoked and bound again',
    withSubkey(good, bound({ type: 0x28 }), bound({ created: start + 50, ...good })),
    { by },
  )
  add('subkey not bound', [...plain(), subkeyPacket(other)], { by })
  const tail = [subkeyPacket(other), bound(good)]
  add('subkey of a revoked key', [...withKeySignature(revocation()), ...tail], { by })
  add('subkey of an expired key', [...short, ...tail], { by })
  add('subkey of a key that only certifies', [...withSelf({ hashed: [certifyOnly] }), ...tail], { by })
  add('primary key beside a revoked subkey', withSubkey(good, bound({ type: 0x28 })))

  const brief = { hashed: [expires(10)] }
  for (const off of [-1, 0, 1])
    add(`signature expires, ${off}`, plain(), { message: brief, now: start + 20 + off })
  add('signature expires in 2^32 seconds', plain(), { message: { hashed: [expires(0xffffffff)] } })
  add('signature a little ahead', plain(), { message: { created: later + 200 } })
  const ahead = 'a signature from the future is bad'
  add('signature far ahead', plain(), { message: { created: later + day }, stricter: ahead })
  add('signature older than its key', plain(), { message: { created: start - 1 } })
  const young = forgeKey(ed25519Pair(), later + 10)
  add('key from the future', plain(young), { by: young, message: { created: later + 10 } })
  for (const type of [0, 1])
    for (const version of [3, 4] as const)
      add(`type ${type}, version ${version}`, plain(), { message: { type, version } })
  add('without the fingerprint', plain(), { message: { withFingerprint: false } })
  const unhashed = [issuerFingerprint(`${'00'.repeat(12)}${key.keyId}`)]
  add('a false fingerprint outside the hash', plain(), { message: { withFingerprint: false, unhashed } })
  const weakHash = 'SHA-1 and RIPEMD-160 are weak, and so is a hash shorter than the key'
  for (const hashAlgorithm of [1, 2, 3, 9, 10, 11, 12, 14])
    add(`EdDSA, hash ${hashAlgorithm}`, plain(), {
      message: { hashAlgorithm },
      ...([2, 3, 11].includes(hashAlgorithm) ? { stricter: weakHash } : {}),
    })
  const mismatch = 'version 4 covers its algorithm, which is that of the key'
  for (const publicKeyAlgorithm of [17, 19]) {
    add(`algorithm ${publicKeyAlgorithm}`, plain(), { message: { publicKeyAlgorithm }, stricter: mismatch })
    add(`algorithm ${publicKeyAlgorithm}, version 3`, plain(), {
      message: { publicKeyAlgorithm, version: 3 },
    })
  }
  // Those that stand in a signature once are left out: creation, expiry, issuer, embedded signature, fingerprint.
  for (const type of Array.from({ length: 41 }, (_, at) => at).filter(
    (at) => ![2, 3, 16, 32, 33].includes(at),
  ))
    add(`critical subpacket ${type}`, plain(), {
      message: { hashed: [critical(type)] },
      ...(type === 38 ? { stricter: 'a key block in a signature is not understood' } : {}),
    })
  add('subpacket that nobody knows', plain(), { message: { hashed: [subpacket(99, octets([1]))] } })

  const curves: [string, number[]][] = [
    ['prime256v1', [2, 8, 9, 10, 11]],
    ['secp384r1', [8, 9, 10]],
    ['secp521r1', [8, 9, 10]],
    ['secp256k1', [8, 11]],
    ['brainpoolP256r1', [8]],
    ['brainpoolP384r1', [8, 9]],
    ['brainpoolP512r1', [9, 10]],
  ]
  for (const [curve, hashes] of curves) {
    const ecdsa = forgeKey(ecdsaPair(curve), start)
    const ring = [keyPacket(ecdsa), ...named({ hashAlgorithm: 10 }, ecdsa)]
    for (const hashAlgorithm of hashes)
      add(`${curve}, hash ${hashAlgorithm}`, ring, { by: ecdsa, message: { hashAlgorithm } })
    add(`${curve}, version 3`, ring, { by: ecdsa, message: { version: 3, hashAlgorithm: 10 } })
  }
  const small = forgeKey(ecdsaPair('prime256v1'), start)
  add('prime256v1, self-signature over SHA-1', [keyPacket(small), ...named({ hashAlgorithm: 2 }, small)], {
    by: small,
  })

  for (const bits of [1024, 2046, 2047, 2048, 3072, 4096]) {
    const rsa = forgeKey(rsaPair(bits), start)
    const messages: SignatureOptions[] = [
      ...[8, 9, 10, 11, 12].map((hashAlgorithm) => ({ hashAlgorithm })),
      { version: 3 },
      { version: 3, publicKeyAlgorithm: 3 },
      { publicKeyAlgorithm: 3 },
      { hashAlgorithm: 2 },
    ]
    for (const message of messages) {
      const reason =
        bits < 2047 ? 'RSA under 2047 bits is weak' : message.hashAlgorithm === 2 ? weakHash : null
      // gpg does not know SHA-3.
      const stricter = message.hashAlgorithm === 12 ? null : reason
      add(`RSA ${bits}, ${JSON.stringify(message)}`, plain(rsa), {
        by: rsa,
        message,
        ...(stricter && { stricter }),
      })
    }
  }
  return found
}
