import { Refusal } from '../refusal.ts'
import { decodeArmored, isHeader } from './armor.ts'
import { atEnd, type Cursor } from './cursor.ts'
import type { Keyring } from './keyring.ts'
import { packetTag, readPacket } from './packets.ts'
import { readSignaturePacket, type SignaturePacket } from './signature-packet.ts'
import { type Verdict, verdictNames, verifyMessage } from './verdict.ts'

/** gpg --detach-sign makes them of type 0: over octets, and not over text. */
const binaryDocument = 0x00

/** Nobody signs more often. */
const maxSignatures = 64

/**
 * What the keys say of octets by a detached signature, as `gpg --detach-sign` writes it, armored or not: of several in it
 * the best verdict. Only `valid` means that the owner of `key` signed them.
 * @param now seconds since 1970
 * @throws Refusal what is wrong with the form of the signature
 */
export function verifyDetached(
  content: Uint8Array,
  detached: Uint8Array,
  keyring: Keyring,
  now: number,
): Verdict {
  const verdicts = readDetached(detached).map((signature) =>
    verifyMessage({ payload: content, signature }, keyring, now),
  )
  const rank = ({ verdict }: Verdict) => verdictNames.indexOf(verdict)
  return verdicts.reduce((best, verdict) => (rank(verdict) > rank(best) ? verdict : best))
}

function readDetached(bytes: Uint8Array): SignaturePacket[] {
  const cursor: Cursor = { octets: octetsOf(bytes), at: 0, code: 'truncated', what: 'The detached signature' }
  const signatures: SignaturePacket[] = []
  while (!atEnd(cursor)) {
    const { tag, body } = readPacket(cursor)
    if (tag !== packetTag.signature)
      throw new Refusal('unexpected-packet', `An OpenPGP packet of type ${tag} is in a detached signature.`)
    const signature = readSignaturePacket(body)
    if (signature.type !== binaryDocument)
      throw new Refusal('signature-packet', `A signature of type ${signature.type} is not over octets.`)
    signatures.push(signature)
    if (signatures.length > maxSignatures)
      throw new Refusal('multiple-signatures', `More than ${maxSignatures} signatures are not read.`)
  }
  if (!signatures.length) throw new Refusal('empty', 'No signature is in the detached signature.')
  return signatures
}

const beginning = '-----BEGIN PGP SIGNATURE-----'
const ending = '-----END PGP SIGNATURE-----'

function octetsOf(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  if (!text.startsWith(beginning)) return bytes
  const lines = text.trimEnd().split(/\r?\n/)
  const blank = lines.indexOf('')
  if (lines.at(0) !== beginning || lines.at(-1) !== ending || blank < 0)
    throw invalid('a line of it is missing')
  if (!lines.slice(1, blank).every(isHeader)) throw invalid('a line before its data is not a header')
  const decoded = decodeArmored(lines.slice(blank + 1, -1))
  if ('problem' in decoded) throw invalid(decoded.problem)
  return decoded.octets
}

function invalid(reason: string): Refusal {
  return new Refusal('armor-invalid', `The ASCII armor of the detached signature is damaged: ${reason}.`)
}
