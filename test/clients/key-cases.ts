import {
  backSignature,
  binding,
  certification,
  directSignature,
  ecdsaPair,
  ed25519Pair,
  type ForgedKey,
  flag,
  forgeKey,
  forgeMessage,
  keyPacket,
  type Pair,
  rsaPair,
  type SignatureOptions,
  subkeyPacket,
  subpacket,
  userIdPacket,
} from '../openpgp/forge.ts'
import { armored, octets, uint32 } from '../openpgp/write.ts'
import type { Case } from './verdict-cases.ts'

const day = 86_400
const start = 1_700_000_000
const later = start + 100 * day

/** A certificate, and the key of it that signs. */
export interface Signer {
  ring: Buffer
  by: ForgedKey
  primary: ForgedKey
}

const name = 'A <a@example.org>'
const flags = (octet: number) => subpacket(27, octets([octet]))
const ends = subpacket(9, uint32(day))
const both = flags(flag.certify | flag.sign)

const certified = (by: ForgedKey, options: SignatureOptions = {}) =>
  certification(by, name, { hashed: [both], ...options })

/** By the key itself, with signatures before and behind its user id. */
function alone(by: ForgedKey, before: Buffer[], ...certifications: Buffer[]): Signer {
  const ring = Buffer.concat([keyPacket(by), ...before, userIdPacket(name), ...certifications])
  return { ring, by, primary: by }
}

const revoked = (code: number) => (by: ForgedKey) => {
  const hashed = [subpacket(29, octets([code]))]
  return alone(by, [directSignature(by, { type: 0x20, created: start + 50, hashed })], certified(by))
}

/** By a subkey of a primary key that only certifies. */
function asSubkey(by: ForgedKey, hashed: Buffer[] = [], ...more: SignatureOptions[]): Signer {
  const primary = forgeKey(ed25519Pair(), start)
  const bound = [{ hashed: [flags(flag.sign), backSignature(primary, by), ...hashed] }, ...more]
  const ring = Buffer.concat([
    ...[keyPacket(primary), userIdPacket(name), certified(primary, { hashed: [flags(flag.certify)] })],
    ...[subkeyPacket(by), ...bound.map((options) => binding(primary, by, options))],
  ])
  return { ring, by, primary }
}

/** What has become of a key since it signed. */
export const states = {
  plain: (by) => alone(by, [], certified(by)),
  expired: (by) => alone(by, [], certified(by, { hashed: [both, ends] })),
  extended: (by) =>
    alone(by, [], certified(by, { hashed: [both, ends] }), certified(by, { created: start + 2 * day })),
  'revoked for no reason': revoked(0),
  'revoked as superseded': revoked(1),
  'revoked as compromised': revoked(2),
  'revoked as retired': revoked(3),
  subkey: (by) => asSubkey(by),
  'expired subkey': (by) => asSubkey(by, [ends]),
  'revoked subkey': (by) => asSubkey(by, [], { type: 0x28, created: start + 50 }),
} satisfies Record<string, (by: ForgedKey) => Signer>

export type State = keyof typeof states

export const newSigner = (state: State, pair = ed25519Pair()): Signer => states[state](forgeKey(pair, start))

export const signMessage = ({ by }: Signer, payload: Uint8Array, options: SignatureOptions = {}): Buffer =>
  forgeMessage(by, payload, { created: start + 10, ...options })

/** As gpg writes it: without a checksum, gpg 2.2 does not read every keyring. */
export function armoredRing(ring: Uint8Array): Buffer {
  return armored(ring, { label: 'PGP PUBLIC KEY BLOCK', checksum: checksumOf(ring) })
}

/** CRC-24 of RFC 4880, section 6.1. */
function checksumOf(octets: Uint8Array): string {
  let sum = 0xb704ce
  for (const octet of octets) {
    sum ^= octet << 16
    for (let bit = 0; bit < 8; bit++) sum = (sum << 1) ^ (sum & 0x800000 ? 0x1864cfb : 0)
  }
  return Buffer.from([sum >> 16, sum >> 8, sum]).toString('base64')
}

const others = ['plain', 'subkey'] as const satisfies State[]
const [first, last] = others.map((state) => newSigner(state).ring) as [Buffer, Buffer]

/** How a keyring file has it, alone and among others. */
const files: Record<string, (ring: Buffer) => Buffer> = {
  binary: (ring) => ring,
  armored: armoredRing,
  'binary with others': (ring) => Buffer.concat([first, ring, last]),
  'one block with others': (ring) => armoredRing(Buffer.concat([first, ring, last])),
  'several blocks': (ring) =>
    Buffer.concat([first, ring, last].flatMap((each) => [Buffer.from('A key:\n'), armoredRing(each)])),
}

const pairs: Record<string, () => Pair> = {
  'RSA 2048': () => rsaPair(2048),
  'RSA 3072': () => rsaPair(3072),
  'RSA 4096': () => rsaPair(4096),
  Ed25519: ed25519Pair,
  'P-256': () => ecdsaPair('prime256v1'),
  brainpoolP256r1: () => ecdsaPair('brainpoolP256r1'),
}

/** Every algorithm in every state, in version 3 and 4, with every kind of keyring file in turn. */
export function keyCases(payload: Buffer): Case[] {
  const kinds = Object.keys(files)
  let count = 0
  return Object.entries(pairs).flatMap(([algorithm, newPair]) => {
    const pair = newPair()
    return Object.keys(states).flatMap((state) => {
      const signer = newSigner(state as State, pair)
      return ([3, 4] as const).map((version): Case => {
        const kind = kinds[count++ % kinds.length] as string
        return {
          name: `${algorithm}, ${state}, version ${version}, ${kind}`,
          keyring: files[kind]?.(signer.ring) as Buffer,
          message: signMessage(signer, payload, { version }),
          now: later,
          signer: signer.by.fingerprint,
          primary: signer.primary.fingerprint,
          stricter: null,
        }
      })
    })
  })
}
