import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { watchFiles } from '../durable/watch.ts'
import { CertificateError } from './certificate-files.ts'
import { type Certificates, watchMilliseconds } from './serve.ts'

/**
 * Asks clients for a certificate, which none must have, by one of the CAs in a file in PEM; the file is followed as that
 * of the server's certificate is. One that cannot be used leaves the last good CAs in force.
 * @throws CertificateError
 */
export async function withClientCa(
  served: Certificates,
  path: string,
  { onError }: { onError(error: Error): void },
): Promise<Certificates> {
  let own = served.options
  let ca = await readClientCa(path)
  let stopWatching = () => {}
  const options = () => ({ ...own, ca, requestCert: true, rejectUnauthorized: false }) as const
  return {
    ...served,
    options: options(),
    follow(onChange) {
      served.follow((changed) => {
        own = changed
        onChange(options())
      })
      stopWatching = watchFiles({
        files: () => [path],
        everyMs: watchMilliseconds,
        read: () => readClientCa(path),
        take(read) {
          if (read.join() === ca.join()) return
          ca = read
          onChange(options())
        },
        onError,
      })
    },
    stop() {
      stopWatching()
      served.stop()
    },
  }
}

/** Each certificate of the file: all of them count. */
async function readClientCa(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new CertificateError(`${path} cannot be read: ${cause.message}.`, { cause })
  })
  const found = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? []
  if (!found.length) throw new CertificateError(`${path} holds no certificate in PEM.`)
  return found.map((pem, index) => {
    const certificate = parse(pem)
    if (certificate?.ca) return certificate.toString()
    throw new CertificateError(`${path}: certificate ${index + 1} is not that of a CA.`)
  })
}

function parse(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}
