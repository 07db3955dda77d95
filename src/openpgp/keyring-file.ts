import { Refusal } from '../refusal.ts'
import { decodeArmored, isHeader } from './armor.ts'
import { atEnd, type Cursor } from './cursor.ts'
import { type Packet, readPacket, tagOf } from './packets.ts'

/** Packet types of a transferable public key (RFC 9580, section 10.1). */
export const keyPacketTag = {
  signature: 2,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  userId: 13,
  publicSubkey: 14,
  userAttribute: 17,
} as const

/** One copy of a certificate: a primary key packet and what belongs to it, in the order of the file. */
export type CertificatePackets = Packet[]

export interface KeyringFile {
  copies: CertificatePackets[]
  /** Sentences for a person about what was left out. */
  warnings: string[]
}

/** Larger than any keyring in use: those of distributions with hundreds of keys have a few megabytes. */
export const maxKeyringSize = 16 * 1024 * 1024

/**
 * The certificates in a keyring file: binary, as `gpg --export` writes it, or any number of armored blocks with other
 * text around them. Throws where nothing of it is a certificate, and where it holds a secret key, which has no business
 * there.
 */
export function readKeyringFile(bytes: Uint8Array): KeyringFile {
  if (bytes.length > maxKeyringSize) throw unusable(`it has more than ${maxKeyringSize} octets`)
  const file: KeyringFile = { copies: [], warnings: [] }
  if (isKeybox(bytes)) throw unusable('it is a keybox of gpg; write a keyring with gpg --export')
  if (startsWithKey(bytes)) readBlock(file, bytes, 'the file')
  else
    for (const { line, octets } of armoredBlocks(file, bytes))
      readBlock(file, octets, `the block at line ${line}`)
  if (file.copies.length > 0) return file
  throw unusable(file.warnings[0] ?? 'no public key is in it; write one with gpg --armor --export')
}

export function unusable(reason: string): Refusal {
  return new Refusal('keyring', `The keyring cannot be used: ${reason}.`)
}

/** kbx/keybox-blob.c of GnuPG. */
function isKeybox(bytes: Uint8Array): boolean {
  return Buffer.from('KBXf').equals(bytes.subarray(8, 12))
}

/** Else it is text, which may begin with octets above 0x7f too. */
function startsWithKey(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0
  const tags: number[] = [keyPacketTag.publicKey, keyPacketTag.secretKey]
  return (first & 0x80) !== 0 && tags.includes(tagOf(first))
}

const beginning = '-----BEGIN PGP PUBLIC KEY BLOCK-----'
const ending = '-----END PGP PUBLIC KEY BLOCK-----'

/** As gpg 2.2 does, with any text before, between and behind the blocks. What it reads and is damaged is left out here. */
function* armoredBlocks(
  file: KeyringFile,
  bytes: Uint8Array,
): Generator<{ line: number; octets: Uint8Array }> {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('latin1')
    .split('\n')
    .map((line) => line.trimEnd())
  if (lines.some((line) => line.startsWith('-----BEGIN PGP PRIVATE KEY BLOCK-----'))) throw secret()
  for (let at = lines.indexOf(beginning); at >= 0; at = lines.indexOf(beginning, at + 1)) {
    const end = lines.indexOf(ending, at)
    const decoded = decode(lines.slice(at + 1, end < 0 ? at + 1 : end))
    if ('octets' in decoded) yield { line: at + 1, octets: decoded.octets }
    else
      file.warnings.push(`the block at line ${at + 1} is no ASCII armor of a public key: ${decoded.problem}`)
  }
}

function secret(): Refusal {
  return unusable('it holds a secret key; write a keyring with gpg --export, and keep that key to its owner')
}

function decode(lines: string[]): { octets: Uint8Array } | { problem: string } {
  const blank = lines.indexOf('')
  if (blank < 0) return { problem: 'an empty line or the end is missing' }
  if (!lines.slice(0, blank).every(isHeader)) return { problem: 'a line before its data is not a header' }
  const decoded = decodeArmored(lines.slice(blank + 1))
  if ('problem' in decoded || decoded.hasChecksum || decoded.octets.length % 3 !== 0) return decoded
  // Clients would not have the key: gpg 2.2 knows the end of the data by "=" alone (g10/armor.c, radix64_read).
  return { problem: 'it has no checksum; write it with gpg --armor --export' }
}

/** What stands before the first primary key of a block belongs to none. */
function readBlock(file: KeyringFile, octets: Uint8Array, what: string): void {
  let copy: CertificatePackets | undefined
  for (const packet of packetsIn(file, octets, what)) {
    if (packet.tag === keyPacketTag.secretKey || packet.tag === keyPacketTag.secretSubkey) throw secret()
    if (packet.tag === keyPacketTag.publicKey) {
      copy = []
      file.copies.push(copy)
    }
    if (isOfCertificate(packet.tag)) copy?.push(packet)
  }
  if (copy === undefined) file.warnings.push(`no public key is in ${what}`)
}

function isOfCertificate(tag: number): boolean {
  return (Object.values(keyPacketTag) as number[]).includes(tag)
}

function* packetsIn(file: KeyringFile, octets: Uint8Array, what: string): Generator<Packet> {
  const cursor: Cursor = { octets, at: 0, code: 'keyring', what }
  while (!atEnd(cursor)) {
    const start = cursor.at
    try {
      yield readPacket(cursor)
    } catch (error) {
      if (!(error instanceof Refusal) || cursor.at === start) throw error
      file.warnings.push(`from octet ${start} on, ${what} is not OpenPGP`)
      return
    }
  }
}
