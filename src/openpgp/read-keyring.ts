import {
  addCopy,
  applyRevokers,
  isSelfSigned,
  newCertificate,
  type Certificate as ReadCertificate,
} from './certificate.ts'
import { type KeyPacket, nameOfKey, readKeyPacket } from './key-packet.ts'
import { latest, type Stretch, timelineOf } from './key-state.ts'
import type { Certificate, Keyring, VerificationKey } from './keyring.ts'
import { type CertificatePackets, readKeyringFile, unusable } from './keyring-file.ts'

/** See `readKeyring`. */
export async function readKeyringFiles(files: readonly Uint8Array[]): Promise<Keyring> {
  const warnings: string[] = []
  const certificates = new Map<string, ReadCertificate>()
  for (const bytes of files) await addFile(certificates, warnings, bytes)
  return keyringOf(certificates, warnings)
}

async function addFile(
  certificates: Map<string, ReadCertificate>,
  warnings: string[],
  bytes: Uint8Array,
): Promise<void> {
  const file = readKeyringFile(bytes)
  warnings.push(...file.warnings)
  const found = new Set<ReadCertificate>()
  for (const copy of file.copies) {
    const certificate = await readCopy(certificates, copy, warnings)
    if (certificate !== null) found.add(certificate)
  }
  if (![...found].some(isSelfSigned)) throw unusable(warnings.at(-1) ?? 'no key in it has signed its user id')
}

async function readCopy(
  certificates: Map<string, ReadCertificate>,
  copy: CertificatePackets,
  warnings: string[],
): Promise<ReadCertificate | null> {
  const body = copy[0]?.body ?? Buffer.alloc(0)
  try {
    const key = await readKeyPacket(body)
    const certificate = certificates.get(key.fingerprint) ?? newCertificate(key)
    certificates.set(key.fingerprint, certificate)
    await addCopy(certificate, copy)
    return certificate
  } catch (error) {
    // Of openpgp.js, which has no classes of errors: an algorithm, a curve or a version that it does not know.
    warnings.push(`${nameOfKey(body)} cannot be read: ${(error as Error).message}`)
    return null
  }
}

function keyringOf(read: Map<string, ReadCertificate>, warnings: string[]): Keyring {
  const certificates: Certificate[] = []
  for (const [fingerprint, certificate] of read) {
    applyRevokers(certificate, (revoker) => read.get(revoker))
    const { unreadable } = certificate
    for (const subkey of unreadable) warnings.push(`${subkey}, a subkey of ${fingerprint}, cannot be read`)
    if (isSelfSigned(certificate)) certificates.push(certificateOf(certificate))
    else warnings.push(`the key ${fingerprint} has not signed a user id of its own`)
  }
  const keys = certificates.flatMap((certificate) => certificate.keys)
  return {
    certificates,
    keys: Map.groupBy(keys, ({ keyId }) => keyId),
    byFingerprint: new Map(keys.map((key) => [key.fingerprint, key])),
    warnings,
  }
}

function certificateOf(read: ReadCertificate): Certificate {
  const certificate: Certificate = {
    fingerprint: read.key.fingerprint,
    userIds: shownUserIds(read),
    keys: [],
  }
  certificate.keys.push(keyOf(certificate, read.key, timelineOf(read)))
  for (const subkey of read.subkeys.values())
    certificate.keys.push(keyOf(certificate, subkey.key, timelineOf(read, subkey)))
  return certificate
}

function keyOf(certificate: Certificate, key: KeyPacket, timeline: Stretch[]): VerificationKey {
  const { fingerprint, keyId, algorithm, created, publicKey } = key
  return { fingerprint, keyId, certificate, algorithm, created, publicKey, timeline }
}

/** As gpg orders them: those marked as primary first, and of these the one that was signed last. */
function shownUserIds({ userIds }: ReadCertificate): string[] {
  return [...userIds.values()]
    .flatMap(({ text, signatures }) => {
      const last = latest(signatures, Number.NEGATIVE_INFINITY)
      return last === undefined || last.revokes ? [] : [{ text, last }]
    })
    .sort(({ last: one }, { last: other }) => {
      return Number(other.isPrimaryUserId) - Number(one.isPrimaryUserId) || other.created - one.created
    })
    .map(({ text }) => text)
}
