import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { packetTag } from '../../src/openpgp/packets.ts'
import {
  created,
  issuer,
  issuerFingerprint,
  literal,
  mpi,
  octets,
  onePass,
  packet,
  signature,
  uint16,
  uint32,
} from './write.ts'

/**
 * Makes keys, certificates and signatures of any shape, as no program would: what is under test has to judge them, and
 * gpg can be asked for its own judgement. Version 4, but for version 3 signatures.
 */

/** A key pair and how OpenPGP writes it. */
export interface Pair {
  algorithm: number
  privateKey: KeyObject
  /** The algorithm-specific part of a key packet. */
  material: Buffer
}

const curves: Record<string, { oid: string; point: number }> = {
  prime256v1: { oid: '2a8648ce3d030107', point: 65 },
  secp384r1: { oid: '2b81040022', point: 97 },
  secp521r1: { oid: '2b81040023', point: 133 },
  secp256k1: { oid: '2b8104000a', point: 65 },
  brainpoolP256r1: { oid: '2b2403030208010107', point: 65 },
  brainpoolP384r1: { oid: '2b240303020801010b', point: 97 },
  brainpoolP512r1: { oid: '2b240303020801010d', point: 129 },
}

export function ed25519Pair(): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const oid = Buffer.from('2b06010401da470f01', 'hex')
  const point = Buffer.concat([octets([0x40]), tail(publicKey, 32)])
  return { algorithm: 22, privateKey, material: Buffer.concat([octets([oid.length]), oid, mpi(point)]) }
}

export function ecdsaPair(namedCurve: string): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  const { oid = '', point = 0 } = curves[namedCurve] ?? {}
  const identifier = Buffer.from(oid, 'hex')
  const material = Buffer.concat([octets([identifier.length]), identifier, mpi(tail(publicKey, point))])
  return { algorithm: 19, privateKey, material }
}

export function rsaPair(modulusLength: number): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const material = Buffer.concat([n, e].map((integer) => mpi(Buffer.from(integer as string, 'base64url'))))
  return { algorithm: 1, privateKey, material }
}

function tail(publicKey: KeyObject, size: number): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-size)
}

/** A key packet: the pair, and since when. */
export interface ForgedKey extends Pair {
  created: number
  body: Buffer
  /** Upper-case hex. */
  fingerprint: string
  keyId: string
}

export function forgeKey(pair: Pair, created: number): ForgedKey {
  const body = Buffer.concat([octets([4]), uint32(created), octets([pair.algorithm]), pair.material])
  const fingerprint = hash('sha1', hashedKey(body), 'hex').toUpperCase()
  return { ...pair, created, body, fingerprint, keyId: fingerprint.slice(-16) }
}

function hashedKey(body: Uint8Array): Buffer {
  return Buffer.concat([octets([0x99]), uint16(body.length), body])
}

export interface SignatureOptions {
  version?: 3 | 4
  type?: number
  created?: number
  hashAlgorithm?: number
  /** More subpackets under the hash. */
  hashed?: Buffer[]
  unhashed?: Buffer[]
  publicKeyAlgorithm?: number
  withFingerprint?: boolean
}

const hashNames: Record<number, string> = {
  1: 'md5',
  2: 'sha1',
  3: 'ripemd160',
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
  12: 'sha3-256',
  14: 'sha3-512',
}

/** The body of a signature packet by `key` over `data`. */
export function forgeSignature(key: ForgedKey, data: Uint8Array, options: SignatureOptions = {}): Buffer {
  const { version = 4, type = 0, hashAlgorithm = 8, publicKeyAlgorithm = key.algorithm } = options
  const at = options.created ?? key.created
  const { withFingerprint = true, hashed: more = [], unhashed = [issuer(key.keyId)] } = options
  const named = withFingerprint ? [issuerFingerprint(key.fingerprint)] : []
  const hashed = Buffer.concat([created(at), ...named, ...more])
  const head = octets([4, type, publicKeyAlgorithm, hashAlgorithm])
  const part = Buffer.concat([head, uint16(hashed.length), hashed])
  const trailer =
    version === 3
      ? Buffer.concat([octets([type]), uint32(at)])
      : Buffer.concat([part, octets([4, 0xff]), uint32(part.length)])
  const signed = Buffer.concat([data, trailer])
  const hashName = hashNames[hashAlgorithm] ?? 'sha256'
  const value = signatureValue(key, hashName, signed)
  const body = signature({
    version,
    type,
    publicKeyAlgorithm,
    hashAlgorithm,
    hashed,
    unhashed: Buffer.concat(unhashed),
    created: at,
    keyId: key.keyId,
    value,
  })
  body.set(hash(hashName, signed, 'buffer').subarray(0, 2), body.length - value.length - 2)
  return body
}

function signatureValue({ algorithm, privateKey }: Pair, hashName: string, signed: Uint8Array): Buffer {
  if (algorithm === 1) return mpi(sign(hashName, signed, privateKey))
  const pair =
    algorithm === 22
      ? sign(null, hash(hashName, signed, 'buffer'), privateKey)
      : sign(hashName, signed, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const half = pair.length / 2
  return Buffer.concat([pair.subarray(0, half), pair.subarray(half)].map(minimal))
}

function minimal(integer: Uint8Array): Buffer {
  return mpi(integer.subarray(integer.findIndex((octet) => octet !== 0)))
}

// Subpackets, by their numbers in RFC 9580, section 5.2.3.7; `created` and `expires` are in write.ts.
export { subpacket } from './write.ts'

export const flag = { certify: 1, sign: 2, encrypt: 4, authenticate: 32 } as const

/** Key signatures: what each is over is in RFC 9580, section 5.2.4. */
export function certification(key: ForgedKey, userId: string, options: SignatureOptions = {}): Buffer {
  const id = Buffer.from(userId)
  const data = Buffer.concat([hashedKey(key.body), octets([0xb4]), uint32(id.length), id])
  return packet(packetTag.signature, forgeSignature(key, data, { type: 0x13, ...options }))
}

export function directSignature(key: ForgedKey, options: SignatureOptions = {}, over = key): Buffer {
  const body = forgeSignature(key, hashedKey(over.body), { type: 0x1f, ...options })
  return packet(packetTag.signature, body)
}

/** A revocation, too, has a type of its own. */
export function binding(key: ForgedKey, subkey: ForgedKey, options: SignatureOptions = {}): Buffer {
  const data = Buffer.concat([hashedKey(key.body), hashedKey(subkey.body)])
  return packet(packetTag.signature, forgeSignature(key, data, { type: 0x18, ...options }))
}

/** The embedded signature by which a subkey agrees; a subpacket. */
export function backSignature(key: ForgedKey, subkey: ForgedKey, by = subkey): Buffer {
  const data = Buffer.concat([hashedKey(key.body), hashedKey(subkey.body)])
  const body = forgeSignature(by, data, { type: 0x19 })
  return Buffer.concat([subpacketHeader(32, body.length), body])
}

function subpacketHeader(type: number, length: number): Buffer {
  return Buffer.concat([octets([255]), uint32(length + 1), octets([type])])
}

export function keyPacket(key: ForgedKey): Buffer {
  return packet(6, key.body)
}

export function subkeyPacket(key: ForgedKey): Buffer {
  return packet(14, key.body)
}

export function userIdPacket(text: string): Buffer {
  return packet(13, Buffer.from(text))
}

/** A message in one-pass form over `payload`. */
export function forgeMessage(key: ForgedKey, payload: Uint8Array, options: SignatureOptions = {}): Buffer {
  const { type = 0, hashAlgorithm = 8, publicKeyAlgorithm = key.algorithm } = options
  const announcement = onePass({ type, hashAlgorithm, publicKeyAlgorithm, issuer: key.keyId })
  return Buffer.concat([
    packet(packetTag.onePassSignature, announcement),
    packet(packetTag.literal, literal(payload)),
    packet(packetTag.signature, forgeSignature(key, payload, options)),
  ])
}
