import { hash } from 'node:crypto'
import { PublicKeyPacket } from 'openpgp'
import { type PublicParams, publicKeyOf } from './public-key.ts'
import { keyIdOf, upperHex } from './subpackets.ts'
import type { CheckKey } from './verify.ts'

/** A primary key or subkey, as its packet has it. */
export interface KeyPacket extends CheckKey {
  version: 4 | 6
  /** Upper-case hex. */
  fingerprint: string
  /** 16 upper-case hex digits. */
  keyId: string
  body: Uint8Array
}

/** Throws, with a text of openpgp.js, where the version, algorithm or curve is not known. */
export async function readKeyPacket(body: Uint8Array): Promise<KeyPacket> {
  const packet = new PublicKeyPacket()
  await packet.read(body)
  if (!Buffer.from(packet.write()).equals(body))
    throw new Error('Its packet is not written in the one proper way.')
  const version = packet.version === 6 ? 6 : 4
  const fingerprint = fingerprintOf(version, body)
  return {
    version,
    fingerprint,
    keyId: keyIdOf(version, fingerprint),
    algorithm: packet.algorithm,
    created: Math.floor(packet.created.getTime() / 1000),
    publicKey: publicKeyOf(packet.algorithm, packet.publicParams as PublicParams),
    body,
  }
}

/** RFC 9580, section 5.5.4. */
function fingerprintOf(version: 4 | 6, body: Uint8Array): string {
  return upperHex(hash(version === 4 ? 'sha1' : 'sha256', hashedKey(version, body), 'buffer'))
}

/** How a key stands in what a signature of that version is over (RFC 9580, section 5.2.4). */
export function hashedKey(version: 3 | 4 | 6, body: Uint8Array): Buffer {
  const header = version === 6 ? Buffer.alloc(5, 0x9b) : Buffer.alloc(3, 0x99)
  if (version === 6) header.writeUInt32BE(body.length, 1)
  else header.writeUInt16BE(body.length, 1)
  return Buffer.concat([header, body])
}

/** What to call a key that may not be readable. */
export function nameOfKey(body: Uint8Array): string {
  const version = body[0]
  if (version !== 4 && version !== 6) return `a key of version ${version ?? 0}`
  return `the key ${fingerprintOf(version, body)}`
}
