// Before @peculiar/x509: what it is put together with looks for the Reflect metadata API when it is loaded.
import 'reflect-metadata'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  type webcrypto,
  X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import { encodeNameConstraints, nameConstraintsOid, permittedNames } from './name-constraints.ts'
import { parseServerName, type ServerName } from './names.ts'

/** P-256: the curve that every TLS client knows. */
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }

const day = 24 * 60 * 60 * 1000
export const caLifetime = 3650 * day
/** Below what Apple (825 days) and the CA/Browser Forum accept of server certificates, and short enough to be practised. */
export const serverLifetime = 90 * day
/** How far a client's clock may be behind that of this machine. */
const clockSkew = 60 * 60 * 1000

/** A certificate and the private key that belongs to it. */
export interface KeyPair {
  certificate: x509.X509Certificate
  key: KeyObject
}

export async function generateKey(): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return privateKey
}

/** A subject no other CA has, so that a client which still holds an older one is not led to the wrong key. */
export function newCaSubject(): string {
  return `CN=Lookaside private CA ${randomBytes(4).toString('hex')}`
}

/** A CA certificate. With the key and subject of an older one it takes its place: certificates signed before stay good. */
export async function issueCaCertificate(request: {
  subject: string
  key: KeyObject
  names: ServerName[]
  now: Date
}): Promise<x509.X509Certificate> {
  const publicKey = await publicCryptoKey(request.key)
  return x509.X509CertificateGenerator.create({
    ...validity(request.now, caLifetime),
    serialNumber: newSerialNumber(),
    subject: request.subject,
    issuer: request.subject,
    publicKey,
    signingKey: await signingCryptoKey(request.key),
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.Extension(nameConstraintsOid, true, encodeNameConstraints(request.names)),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
}

/** A server certificate for exactly these names. */
export async function issueServerCertificate(request: {
  ca: KeyPair
  key: KeyObject
  names: ServerName[]
  now: Date
}): Promise<x509.X509Certificate> {
  const publicKey = await publicCryptoKey(request.key)
  return x509.X509CertificateGenerator.create({
    ...validity(request.now, serverLifetime),
    serialNumber: newSerialNumber(),
    subject: 'CN=Lookaside server',
    issuer: request.ca.certificate.subjectName,
    publicKey,
    signingKey: await signingCryptoKey(request.ca.key),
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(request.names),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(request.ca.certificate.publicKey),
    ],
  })
}

/** A certificate with the P-256 key that belongs to it. Undefined where either is unreadable or they do not match. */
export function readKeyPair(certificatePem: string, keyPem: string): KeyPair | undefined {
  try {
    const certificate = new x509.X509Certificate(certificatePem)
    const key = createPrivateKey(keyPem)
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    const belongs = spki.equals(Buffer.from(certificate.publicKey.rawData))
    return belongs && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? { certificate, key } : undefined
  } catch {
    return undefined
  }
}

/** The names a CA certificate permits one by one; none where it has no readable constraints. */
export function namesPermittedBy(certificate: x509.X509Certificate): ServerName[] {
  try {
    const extension = certificate.getExtension(nameConstraintsOid)
    return extension === null ? [] : permittedNames(new Uint8Array(extension.value))
  } catch {
    return []
  }
}

/** The subject alternative names of a server certificate. */
export function namesOf(certificate: x509.X509Certificate): ServerName[] {
  const extension = certificate.getExtension(x509.SubjectAlternativeNameExtension)
  return (extension?.names.items ?? []).flatMap(({ value }) => parseServerName(value) ?? [])
}

/** Whether the CA's key signed this certificate in its name. */
export function isIssuedBy(certificate: x509.X509Certificate, ca: KeyPair): boolean {
  return (
    certificate.issuer === ca.certificate.subject &&
    new X509Certificate(certificate.toString('pem')).verify(createPublicKey(ca.key))
  )
}

/** Twenty bytes at most and positive, RFC 5280 4.1.2.2. */
function newSerialNumber(): string {
  return `5c${randomBytes(15).toString('hex')}`
}

function validity(now: Date, lifetime: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now.getTime() - clockSkew), notAfter: new Date(now.getTime() + lifetime) }
}

async function signingCryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return key.toCryptoKey(keyAlgorithm, false, ['sign'])
}

async function publicCryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return createPublicKey(key).toCryptoKey(keyAlgorithm, true, ['verify'])
}
