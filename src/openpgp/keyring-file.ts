import { Refusal } from '../refusal.ts'
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
const maxKeyringSize = 16 * 1024 * 1024

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

/**
 * As gpg does, with any text before, between and behind the blocks. Checksums are not looked at (RFC 9580, section 6.1):
 * the signatures in a certificate say more.
 */
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
    const blank = lines.indexOf('', at)
    const octets = end < 0 || blank < 0 || blank > end ? null : decode(lines.slice(blank + 1, end))
    if (octets !== null) yield { line: at + 1, octets }
    else file.warnings.push(`the block at line ${at + 1} is no ASCII armor of a public key`)
  }
}

function secret(): Refusal {
  return unusable('it holds a secret key; write a keyring with gpg --export, and keep that key to its owner')
}

function decode(lines: string[]): Uint8Array | null {
  const data = lines.filter((line) => !/^=[^=]{4}$/.test(line))
  const text = data.join('').replaceAll(/\s/g, '')
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : null
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
