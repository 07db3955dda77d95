import { randomBytes } from 'node:crypto'
import { packetTag } from '../src/openpgp/packets.ts'
import { parseDigest } from '../src/reference/digest.ts'
import { literal, mpi, onePass, packet, signature } from './openpgp/write.ts'

export const exampleReference = 'registry.example.com/team/app:1.0'

/** A digest of the given hex digit, repeated. */
export const exampleDigest = (letter = 'a') => parseDigest(`sha256:${letter.repeat(64)}`)

/** A claim as c/image writes it. */
export function claimOf({ reference = exampleReference, digest = exampleDigest() as string } = {}): string {
  return JSON.stringify({
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': digest },
      type: 'atomic container signature',
    },
    optional: { creator: 'test', timestamp: 1_700_000_000 },
  })
}

/** A well-formed signature that no key has made: each call gives another one. */
export function newBlob(
  claim: { reference?: string; digest?: string } = {},
  { valueOctets = 256 } = {},
): Buffer {
  return Buffer.concat([
    packet(packetTag.onePassSignature, onePass()),
    packet(packetTag.literal, literal(claimOf(claim))),
    packet(
      packetTag.signature,
      signature({ value: mpi(Buffer.concat([Buffer.from([0xa5]), randomBytes(valueOctets - 1)])) }),
    ),
  ])
}

/** Another form of a blob of `newBlob`: the literal packet has another file name, and the signature the same identity. */
export function variantOf(blob: Buffer, name = 'variant'): Buffer {
  const start = 2 + onePass().length
  const rest = blob.subarray(start)
  const claimEnd = rest.indexOf('}}') + 2
  const claimStart = rest.indexOf('{"critical"')
  return Buffer.concat([
    blob.subarray(0, start),
    packet(packetTag.literal, literal(rest.subarray(claimStart, claimEnd), { name })),
    rest.subarray(claimEnd),
  ])
}
