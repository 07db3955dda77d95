import { Refusal } from '../refusal.ts'
import { decodeBase64 } from './base64.ts'

const beginning = Buffer.from('-----BEGIN ')

/** Whether the upload is text of the armored kind; `dearmor` then says what of. */
export function isArmored(bytes: Uint8Array): boolean {
  return bytes.length >= beginning.length && beginning.every((octet, at) => bytes[at] === octet)
}

/**
 * The octets in the ASCII armor of a message (RFC 9580, section 6.2). One block and nothing but white space after it:
 * what else stands in the text is not signed.
 */
export function dearmor(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const lines = text.split('\n').map(withoutTrailingBlanks)
  requireMessage(lines[0] ?? '')
  const blank = lines.indexOf('')
  const end = lines.findIndex((line) => line.startsWith('-----END'))
  if (lines[end] !== '-----END PGP MESSAGE-----') throw invalid('it has no line "-----END PGP MESSAGE-----"')
  if (blank < 0 || blank > end) throw invalid('no empty line stands between its headers and its data')
  if (!lines.slice(1, blank).every(isHeader)) throw invalid('a line before its data is not a header')
  if (lines.slice(end + 1).some((line) => line !== '')) {
    throw new Refusal('trailing-data', 'Something follows the end of the armored message.')
  }
  const decoded = decodeArmored(lines.slice(blank + 1, end))
  if ('problem' in decoded) throw invalid(decoded.problem)
  return decoded.octets
}

/** RFC 9580, section 6.2: trailing white space on a line carries nothing. */
function withoutTrailingBlanks(line: string): string {
  let end = line.length
  while (end > 0 && ' \t\r'.includes(line.charAt(end - 1))) end--
  return line.slice(0, end)
}

function requireMessage(line: string): void {
  switch (line) {
    case '-----BEGIN PGP MESSAGE-----':
      return
    case '-----BEGIN PGP SIGNED MESSAGE-----':
      throw new Refusal(
        'cleartext',
        'The claim is signed as clear text, which clients do not read; sign with gpg --sign.',
      )
    case '-----BEGIN PGP SIGNATURE-----':
      throw new Refusal('detached', 'The signature comes without the claim it signs; sign with gpg --sign.')
    default:
      throw new Refusal(
        'not-openpgp',
        `${JSON.stringify(line.slice(0, 80))} does not begin a signed OpenPGP message.`,
      )
  }
}

export function isHeader(line: string): boolean {
  return /^[A-Za-z0-9-]+:( |$)/.test(line)
}

/** What stands between the empty line and the end, and a checksum that is right if there is one. */
export function decodeArmored(
  lines: string[],
): { octets: Uint8Array; hasChecksum: boolean } | { problem: string } {
  const last = lines.at(-1) ?? ''
  const hasChecksum = /^=.{4}$/.test(last)
  const octets = decodeBase64(lines.slice(0, hasChecksum ? -1 : undefined).join(''))
  if (octets === null) return { problem: 'its data is not base64' }
  if (hasChecksum && !matchesChecksum(octets, last.slice(1)))
    return { problem: 'its checksum does not match its data' }
  return { octets, hasChecksum }
}

function matchesChecksum(octets: Uint8Array, text: string): boolean {
  const sum = crc24(octets)
  return Buffer.from([sum >> 16, sum >> 8, sum]).toString('base64') === text
}

/** RFC 9580, section 6.1.1. */
function crc24(octets: Uint8Array): number {
  let crc = 0xb704ce
  for (const octet of octets) {
    crc ^= octet << 16
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1
      if (crc & 0x1000000) crc ^= 0x1864cfb
    }
  }
  return crc & 0xffffff
}

function invalid(reason: string): Refusal {
  return new Refusal('armor-invalid', `The ASCII armor is damaged: ${reason}.`)
}
