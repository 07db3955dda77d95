import { Refusal } from '../refusal.ts'
import { atEnd, type Cursor, takeOctet, takeOctets } from './cursor.ts'
import { type SignaturePacket, takeSalt } from './signature-packet.ts'
import { keyIdOf, upperHex } from './subpackets.ts'

/** A one-pass signature packet: the announcement, ahead of the payload, of the signature behind it. */
export interface OnePassSignature {
  version: 3 | 6
  type: number
  hashAlgorithm: number
  publicKeyAlgorithm: number
  salt: Uint8Array | null
  /** 16 upper-case hex digits. */
  keyId: string
  /** Upper-case hex; version 6 only. */
  fingerprint: string | null
  /** That no other one-pass packet follows. Go's x/crypto/openpgp insists (read.go, ReadMessage). */
  isLast: boolean
}

/** RFC 9580, section 5.4. */
export function readOnePassSignature(body: Uint8Array): OnePassSignature {
  const cursor: Cursor = {
    octets: body,
    at: 0,
    code: 'signature-packet',
    what: 'The one-pass signature packet',
  }
  const version = takeOctet(cursor)
  if (version !== 3 && version !== 6) {
    throw new Refusal(
      'signature-packet',
      `One-pass signature packets of version ${version} are not read here.`,
    )
  }
  const type = takeOctet(cursor)
  const hashAlgorithm = takeOctet(cursor)
  const publicKeyAlgorithm = takeOctet(cursor)
  const salt = version === 6 ? takeSalt(cursor, hashAlgorithm) : null
  const issuer = upperHex(takeOctets(cursor, version === 3 ? 8 : 32))
  const isLast = takeOctet(cursor) === 1
  if (!atEnd(cursor)) {
    throw new Refusal('signature-packet', 'The one-pass signature packet goes on after its end.')
  }
  const keyId = version === 3 ? issuer : keyIdOf(6, issuer)
  const fingerprint = version === 3 ? null : issuer
  return { version, type, hashAlgorithm, publicKeyAlgorithm, salt, keyId, fingerprint, isLast }
}

/** The packet is outside the signature: readers that go by it must come to the same as readers that do not. */
export function requireAgreement(onePass: OnePassSignature, signature: SignaturePacket): void {
  const pairs: [string, unknown, unknown][] = [
    ['number of signatures', onePass.isLast, true],
    ['version', onePass.version === 6, signature.version === 6],
    ['type', onePass.type, signature.type],
    ['hash algorithm', onePass.hashAlgorithm, signature.hashAlgorithm],
    ['public-key algorithm', onePass.publicKeyAlgorithm, signature.publicKeyAlgorithm],
    ['key', onePass.keyId, signature.unverifiedKeyId],
    ['key', onePass.fingerprint ?? signature.unverifiedFingerprint, signature.unverifiedFingerprint],
    ['salt', onePass.salt && upperHex(onePass.salt), signature.salt && upperHex(signature.salt)],
  ]
  const differing = pairs.find(([, announced, found]) => announced !== found)
  if (differing === undefined) return
  throw new Refusal(
    'one-pass-mismatch',
    `The one-pass packet announces another ${differing[0]} than the signature packet has.`,
  )
}
