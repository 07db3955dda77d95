import { hashedKey, type KeyPacket, nameOfKey, readKeyPacket } from './key-packet.ts'
import type { PrimaryFacts, SubkeyFacts, UserIdFacts } from './key-state.ts'
import { type CertificatePackets, keyPacketTag } from './keyring-file.ts'
import type { Packet } from './packets.ts'
import {
  type CertificateSignature,
  isGenuine,
  readCertificateSignature,
  signatureType,
} from './self-signature.ts'

/**
 * A primary key with all that it says of itself, in one copy or in several together. Only signatures that are genuine
 * count, and each by itself. The copies are joined here and not by `update()` of openpgp.js, which leaves out a
 * revocation where there is another one already, be that ever so false.
 */
export interface Certificate extends PrimaryFacts {
  key: KeyPacket
  userIds: Map<string, UserId>
  subkeys: Map<string, Subkey>
  /** Fingerprints of keys that may revoke this one. */
  revokers: Set<string>
  /** Revocations that other keys seem to have made. */
  foreignRevocations: CertificateSignature[]
  /** Names of subkeys that cannot be read. */
  unreadable: Set<string>
}

export interface Subkey extends SubkeyFacts {
  key: KeyPacket
}

export interface UserId extends UserIdFacts {
  text: string
  body: Uint8Array
}

export function newCertificate(key: KeyPacket): Certificate {
  return {
    key,
    algorithm: key.algorithm,
    created: key.created,
    isRevoked: false,
    direct: [],
    userIds: new Map(),
    subkeys: new Map(),
    revokers: new Set(),
    foreignRevocations: [],
    unreadable: new Set(),
  }
}

/** Takes in what a copy of the certificate says; its first packet is the primary key. */
export async function addCopy(certificate: Certificate, copy: CertificatePackets): Promise<void> {
  let owner: UserId | Subkey | undefined
  for (const { tag, body } of copy.slice(1)) {
    if (tag !== keyPacketTag.signature) owner = await ownerOf(certificate, { tag, body })
    else addSignature(certificate, owner, body)
  }
}

/** What the signatures that follow are about; undefined if it is of no account here. */
async function ownerOf(
  certificate: Certificate,
  { tag, body }: Packet,
): Promise<UserId | Subkey | undefined> {
  if (tag === keyPacketTag.userId) return userIdOf(certificate, body)
  return tag === keyPacketTag.publicSubkey ? subkeyOf(certificate, body) : undefined
}

function userIdOf({ userIds }: Certificate, body: Uint8Array): UserId {
  const octets = Buffer.from(body)
  const name = octets.toString('latin1')
  const userId = userIds.get(name) ?? { text: octets.toString(), body, signatures: [] }
  userIds.set(name, userId)
  return userId
}

async function subkeyOf({ subkeys, unreadable }: Certificate, body: Uint8Array): Promise<Subkey | undefined> {
  try {
    const key = await readKeyPacket(body)
    const { algorithm, created, fingerprint } = key
    const subkey = subkeys.get(fingerprint) ?? { key, algorithm, created, isRevoked: false, bindings: [] }
    subkeys.set(fingerprint, subkey)
    return subkey
  } catch {
    unreadable.add(nameOfKey(body))
    return undefined
  }
}

/** A signature that cannot be read, or that this key has not made, is as good as not there. */
function addSignature(certificate: Certificate, owner: UserId | Subkey | undefined, body: Uint8Array): void {
  const signature = readOrNull(body)
  if (signature === null) return
  const { type, keyId } = signature
  // Wherever it stands: nothing may hide it.
  if (type === signatureType.keyRevocation) addKeyRevocation(certificate, signature)
  else if (keyId !== certificate.key.keyId) return
  else if (type === signatureType.directKey) addDirect(certificate, signature)
  else if (owner === undefined) return
  else if ('bindings' in owner) addToSubkey(certificate, owner, signature)
  else addToUserId(certificate, owner, signature)
}

function readOrNull(body: Uint8Array): CertificateSignature | null {
  try {
    return readCertificateSignature(body)
  } catch {
    return null
  }
}

function addKeyRevocation(certificate: Certificate, signature: CertificateSignature): void {
  if (signature.keyId !== certificate.key.keyId) certificate.foreignRevocations.push(signature)
  else certificate.isRevoked ||= isRevocationBy(certificate.key, certificate, signature)
}

function isRevocationBy(by: KeyPacket, { key }: Certificate, signature: CertificateSignature): boolean {
  return isGenuine(signature, hashedKey(signature.version, key.body), by)
}

function addDirect({ key, direct, revokers }: Certificate, signature: CertificateSignature): void {
  if (!isGenuine(signature, hashedKey(signature.version, key.body), key)) return
  if (signature.revoker !== null) revokers.add(signature.revoker)
  direct.push(signature.facts)
}

function addToUserId({ key }: Certificate, userId: UserId, signature: CertificateSignature): void {
  const { type, version } = signature
  const { certificationGeneric, certificationPositive, certificationRevocation } = signatureType
  const isCertification = type >= certificationGeneric && type <= certificationPositive
  if (!isCertification && type !== certificationRevocation) return
  if (isGenuine(signature, hashedUserId(version, key.body, userId.body), key))
    userId.signatures.push(signature.facts)
}

/** RFC 9580, section 5.2.4; version 3 has the user id without its length. */
function hashedUserId(version: 3 | 4 | 6, key: Uint8Array, userId: Uint8Array): Buffer {
  const header = version === 3 ? Buffer.alloc(0) : Buffer.alloc(5, 0xb4)
  if (version !== 3) header.writeUInt32BE(userId.length, 1)
  return Buffer.concat([hashedKey(version, key), header, userId])
}

function addToSubkey({ key }: Certificate, subkey: Subkey, signature: CertificateSignature): void {
  const { type, version, embedded } = signature
  const both = Buffer.concat([hashedKey(version, key.body), hashedKey(version, subkey.key.body)])
  if (type === signatureType.subkeyRevocation) subkey.isRevoked ||= isGenuine(signature, both, key)
  if (type !== signatureType.subkeyBinding || !isGenuine(signature, both, key)) return
  const isSignedBack =
    embedded?.type === signatureType.primaryKeyBinding && isGenuine(embedded, both, subkey.key)
  subkey.bindings.push({ ...signature.facts, isSignedBack })
}

/** Counts the revocations by keys which that certificate has given the power to, if those keys are there. */
export function applyRevokers(
  certificate: Certificate,
  find: (fingerprint: string) => Certificate | undefined,
): void {
  for (const fingerprint of certificate.revokers) {
    const revoker = find(fingerprint)
    if (revoker === undefined) continue
    certificate.isRevoked ||= certificate.foreignRevocations.some((signature) =>
      isRevocationBy(revoker.key, certificate, signature),
    )
  }
}

/** gpg imports no others. A key of version 6 may be without user ids (RFC 9580, section 10.1.1). */
export function isSelfSigned({ key, direct, userIds }: Certificate): boolean {
  const isSigned = [...userIds.values()].some(({ signatures }) => signatures.length > 0)
  return isSigned || (key.version === 6 && direct.length > 0)
}
