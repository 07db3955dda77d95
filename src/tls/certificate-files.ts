import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { Refusal } from '../refusal.ts'

/** What every TLS server of the program sets: no version older than 1.2, whatever Node's own default. */
export const tlsOptions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const

export type ServerTlsOptions = typeof tlsOptions & { cert: string; key: string }

/** A certificate or key file that cannot be served with. The message names the file and is one sentence for a person. */
export class CertificateError extends Refusal {
  constructor(message: string, options?: { cause?: unknown }) {
    super('configuration', message, options)
  }
}

/** Reads a certificate (its chain after it) and its unencrypted key, in PEM, and sees that TLS can be served with them. */
export async function readCertificate(files: { cert: string; key: string }): Promise<ServerTlsOptions> {
  const [cert, key] = await Promise.all([read(files.cert), read(files.key)])
  const certificate = attempt(`${files.cert} holds no certificate in PEM`, () => new X509Certificate(cert))
  const privateKey = attempt(`${files.key} holds no unencrypted private key in PEM`, () =>
    createPrivateKey(key),
  )
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new CertificateError(`${files.key} is not the key of the certificate in ${files.cert}.`)
  }
  const options = { ...tlsOptions, cert, key }
  attempt(`${files.cert} cannot be used for TLS`, () => createSecureContext(options))
  return options
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CertificateError(`${path} cannot be read: ${(cause as Error).message}.`, { cause })
  }
}

function attempt<Result>(problem: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    throw new CertificateError(`${problem}: ${(cause as Error).message}.`, { cause })
  }
}
