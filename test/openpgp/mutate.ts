import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import * as openpgp from 'openpgp'
import { readClaim } from '../../src/claim/claim.ts'
import { publicKeyAlgorithm } from '../../src/openpgp/algorithms.ts'
import { isArmored } from '../../src/openpgp/armor.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { type Packet, packetTag } from '../../src/openpgp/packets.ts'
import { withoutLeadingZeros } from '../../src/openpgp/signature-value.ts'
import { Refusal } from '../../src/refusal.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { type Random, randomFrom } from '../random.ts'
import { claim, fixture } from './fixture.ts'
import {
  armored,
  compressed,
  type Framing,
  literal,
  onePass,
  packet,
  packetsOf,
  signature,
  version6,
} from './write.ts'

/**
 * Changes blobs at random, the same way for the same seed, and holds what is read of them against openpgp.js.
 * `node test/openpgp/mutate.ts 200000 7` tries 200,000 with seed 7 and prints the figures.
 */

export interface Figures {
  mutants: number
  accepted: number
  /** Of the accepted ones, those that have the identity of an original. */
  sameIdentity: number
  /** Of the accepted ones, those whose signature packet openpgp.js does not read (version 3, unknown algorithms). */
  packetsUnreadByOpenpgpjs: number
  refused: Record<string, number>
}

const made = {
  version3: [onePass(), literal(claim), signature({ version: 3 })],
  version6: [onePass({ version: 6 }), literal(claim), signature(version6)],
  unknownAlgorithm: [
    onePass({ publicKeyAlgorithm: 107 }),
    literal(claim),
    signature({ publicKeyAlgorithm: 107, value: Buffer.alloc(40, 7) }),
  ],
}

const tags = [packetTag.onePassSignature, packetTag.literal, packetTag.signature]

/** Messages as packets, not compressed. */
const plain: Packet[][] = [
  ...['rsa', 'ed25519', 'nistp256', 'dsa', 'text', 'expiring'].map((name) =>
    packetsOf(fixture(`${name}.pgp`)),
  ),
  ...Object.values(made).map((bodies) => bodies.map((body, at) => ({ tag: tags[at] ?? 0, body }))),
]

const originals: Buffer[] = [
  ...plain.map((packets) => join(packets, 'new')),
  ...['zip.pgp', 'zlib.pgp', 'skopeo.pgp', 'partial.pgp', 'armored.asc'].map(fixture),
]

function join(packets: Packet[], framing: Framing): Buffer {
  return Buffer.concat(packets.map(({ tag, body }) => packet(tag, body, framing)))
}

export type Change = (bytes: Buffer, random: Random) => Uint8Array

const telling = [0, 1, 2, 3, 4, 5, 8, 9, 16, 32, 33, 63, 127, 128, 191, 192, 223, 224, 254, 255]

export const changes: Change[] = [
  (bytes, { below }) => {
    for (let flips = 1 + below(4); flips > 0; flips--) flip(bytes, below(bytes.length), 1 << below(8))
    return bytes
  },
  (bytes, { below, pick }) => {
    bytes[below(bytes.length)] = pick(telling)
    return bytes
  },
  (bytes, { below }) => {
    const at = below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(8))])
  },
  (bytes, { below, octets }) => {
    const at = below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), octets(1 + below(8)), bytes.subarray(at)])
  },
  (bytes, { below }) => {
    const [from, to, at] = [below(bytes.length), below(bytes.length), below(bytes.length)]
    return Buffer.concat([
      bytes.subarray(0, at),
      bytes.subarray(Math.min(from, to), Math.max(from, to)),
      bytes.subarray(at),
    ])
  },
  (bytes, { below }) => bytes.subarray(0, below(bytes.length)),
]

function flip(bytes: Buffer, at: number, bits: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ bits
}

/** Changes packets, not octets: the result is mostly well framed, and what is inside the packets gets read. */
function mutatePackets(random: Random): Buffer {
  const { below, pick } = random
  const packets = pick(plain).map(({ tag, body }) => ({ tag, body }))
  const at = below(packets.length)
  const chosen = packets[at]
  assert.ok(chosen)
  switch (below(7)) {
    case 0:
      packets.splice(at, 1)
      break
    case 1:
      packets.splice(below(packets.length), 0, pick(pick(plain)))
      break
    case 2:
      packets[at] = pick(pick(plain))
      break
    case 3:
      chosen.tag = below(64)
      break
    case 4:
      break
    default:
      chosen.body = pick(changes)(Buffer.from(chosen.body), random)
  }
  return join(packets, pick(['new', 'new', 'new-5', 'old-2', 'old-4']))
}

function wrap(message: Buffer, { below, pick }: Random): Buffer {
  const framing = pick<Framing>(['new', 'old-4', 'indeterminate', 'partial'])
  switch (below(4)) {
    case 0:
      return packet(packetTag.compressed, compressed(below(4), message), framing)
    case 1:
      return armored(message)
    default:
      return message
  }
}

export function* mutants(count: number, seed: number): Generator<Uint8Array> {
  const random = randomFrom(seed)
  for (let made = 0; made < count; made++) {
    const bytes = random.below(2) ? wrap(mutatePackets(random), random) : Buffer.from(random.pick(originals))
    yield random.below(3) ? random.pick(changes)(bytes, random) : bytes
  }
}

/** Throws where a mutant makes anything but a refusal, or is read otherwise than openpgp.js reads it. */
export async function tryMutants(count: number, seed: number): Promise<Figures> {
  const figures: Figures = {
    mutants: 0,
    accepted: 0,
    sameIdentity: 0,
    packetsUnreadByOpenpgpjs: 0,
    refused: {},
  }
  const known = new Map(
    originals.map((bytes) => [identityOf(bytes), readMessage(readSignature(bytes, permit).blob)]),
  )
  for (const mutant of mutants(count, seed)) {
    figures.mutants++
    const accepted = readOrCode(mutant)
    if (typeof accepted === 'string') {
      figures.refused[accepted] = (figures.refused[accepted] ?? 0) + 1
      continue
    }
    figures.accepted++
    const own = readMessage(accepted.blob)
    const independent = await readIndependently(mutant)
    const shown = Buffer.from(mutant).toString('base64')
    assert.deepEqual(Buffer.from(own.payload), Buffer.from(independent.payload), shown)
    assert.deepEqual(accepted.claim, readClaim(independent.payload), shown)
    if (independent.value === null) figures.packetsUnreadByOpenpgpjs++
    else assert.ok(isDeepStrictEqual(independent.value, bytesOf(own.signature.value)), shown)
    const original = known.get(accepted.identity)
    if (original === undefined) continue
    figures.sameIdentity++
    assert.deepEqual(Buffer.from(own.payload), Buffer.from(original.payload), shown)
    assert.deepEqual(boundValue(own), boundValue(original), shown)
  }
  return figures
}

const permit = { sigstoreJson: true }

function identityOf(bytes: Uint8Array): string {
  return readSignature(bytes, permit).identity
}

function readOrCode(mutant: Uint8Array) {
  try {
    return readSignature(mutant, permit)
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw new Error(`not a refusal, over ${Buffer.from(mutant).toString('base64')}`, { cause: error })
  }
}

/** Of DSA and ECDSA the identity binds r alone. */
function boundValue({ signature }: ReturnType<typeof readMessage>): number[][] {
  const { dsa, ecdsa } = publicKeyAlgorithm
  const onlyFirst = signature.publicKeyAlgorithm === dsa || signature.publicKeyAlgorithm === ecdsa
  return bytesOf(onlyFirst ? signature.value.slice(0, 1) : signature.value)
}

function bytesOf(value: readonly Uint8Array[]): number[][] {
  return value.map((part) => [...part])
}

/** What openpgp.js makes of the same upload; `value` is null where it does not read the signature packet. */
async function readIndependently(
  mutant: Uint8Array,
): Promise<{ payload: Uint8Array; value: number[][] | null }> {
  const config = { maxDecompressedMessageSize: 4_194_304 }
  const message = isArmored(mutant)
    ? await openpgp.readMessage({ armoredMessage: Buffer.from(mutant).toString('latin1'), config })
    : await openpgp.readMessage({ binaryMessage: Uint8Array.from(mutant), config })
  const { data, signatures } = await openpgp.verify({
    message,
    verificationKeys: [],
    format: 'binary',
    config,
  })
  for (const { verified } of signatures) await assert.rejects(verified, 'there is no key')
  const { packets } = (await signatures[0]?.signature) ?? {}
  const { RS, r, s } = ((packets?.[0] as { params?: unknown } | undefined)?.params ?? {}) as Record<
    string,
    Uint8Array
  >
  const parts = RS ? [RS] : [r, s].flatMap((integer) => (integer ? [withoutLeadingZeros(integer)] : []))
  return { payload: data, value: parts.length > 0 ? bytesOf(parts) : null }
}

if (import.meta.main) {
  const [count = '200000', seed = '1'] = process.argv.slice(2)
  console.log(await tryMutants(Number(count), Number(seed)))
}
