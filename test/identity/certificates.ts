import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const day = 86_400_000

type KeyPair = Awaited<ReturnType<typeof newKeys>>
const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

export interface Certified {
  cert: string
  key: string
}

export interface Leaf {
  /** Relative names in the order of the certificate, each with its parts. */
  subject?: x509.JsonName
  names?: x509.JsonGeneralNames
  /** Extended key usage; none: the extension is left out. */
  usages?: string[]
  notBefore?: Date
  notAfter?: Date
  isCa?: boolean
}

export interface TestCa extends Certified {
  issue(leaf?: Leaf): Promise<Certified>
  /** Another CA by this one. */
  intermediate(name: string): Promise<TestCa>
}

/** A CA for certificates of clients, as an organisation may have one. */
export async function newCa(name: string): Promise<TestCa> {
  const keys = await newKeys()
  const subject = new x509.Name([{ CN: [name] }])
  return caOf(subject, keys, await certify(subject, keys, subject, keys, { isCa: true }))
}

async function caOf(name: x509.Name, keys: KeyPair, certificate: string): Promise<TestCa> {
  return {
    cert: certificate,
    key: await pem(keys),
    async issue(leaf = {}) {
      const own = await newKeys()
      const subject = new x509.Name(leaf.subject ?? [{ CN: ['signer'] }])
      return { cert: await certify(subject, own, name, keys, leaf), key: await pem(own) }
    },
    async intermediate(text) {
      const own = await newKeys()
      const subject = new x509.Name([{ CN: [text] }])
      return caOf(subject, own, await certify(subject, own, name, keys, { isCa: true }))
    },
  }
}

async function certify(
  subject: x509.Name,
  { publicKey }: KeyPair,
  issuer: x509.Name,
  { privateKey }: KeyPair,
  { names, usages = [x509.ExtendedKeyUsage.clientAuth], notBefore, notAfter, isCa = false }: Leaf,
): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer,
    publicKey,
    signingKey: privateKey,
    signingAlgorithm: algorithm,
    notBefore: notBefore ?? new Date(Date.now() - day),
    notAfter: notAfter ?? new Date(Date.now() + day),
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      ...(isCa ? [new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)] : []),
      ...(usages.length && !isCa ? [new x509.ExtendedKeyUsageExtension(usages)] : []),
      ...(names ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

async function pem({ privateKey }: KeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey))
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
}
