import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Refusal } from '../refusal.ts'

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/**
 * The certificates of a PEM file, written anew. Nothing else of the file is returned: a key that lies beside them must
 * not get into a client's configuration.
 * @throws Refusal configuration
 */
export function readCaFile(file: string): string {
  const blocks = read(file).match(block) ?? []
  if (!blocks.length) throw new Refusal('configuration', `${file} holds no certificate in PEM`)
  return blocks.map((pem) => certificate(pem, file).toString()).join('')
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Refusal('configuration', `The CA file cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function certificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new Refusal('configuration', `${file} holds a certificate that cannot be read`, { cause })
  }
}
