import { hostname } from 'node:os'
import { join } from 'node:path'
import { readCertificate, type ServerTlsOptions } from './certificate-files.ts'
import type { PrivateCa } from './private-ca.ts'
import { watchCertificate } from './reload.ts'

/** Certificates of clients are asked for, and none must be shown. */
export interface ClientCaOptions {
  ca?: string[]
  requestCert?: true
  rejectUnauthorized?: false
}

export interface Certificates {
  options: ServerTlsOptions & ClientCaOptions
  /** What clients must trust; null where the certificate is the operator's. */
  ca: string | null
  /** Calls back with each later certificate, for as long as the process lives or until `stop`. */
  follow(onChange: (options: ServerTlsOptions & ClientCaOptions) => void): void
  stop(): void
}

export interface CertificateEvents {
  onCa(ca: PrivateCa): void
  onError(error: Error): void
}

export const watchMilliseconds = 5_000
const hourMilliseconds = 3_600_000
const clockDriftMilliseconds = 60_000

/** The operator's certificate and key. @throws CertificateError */
export async function certificateFromFiles(
  files: { cert: string; key: string },
  { onError }: Pick<CertificateEvents, 'onError'>,
): Promise<Certificates> {
  const options = await readCertificate(files)
  let stop = () => {}
  return {
    options,
    ca: null,
    follow(onChange) {
      stop = watchCertificate({ ...files, everyMs: watchMilliseconds, serving: options, onChange, onError })
    },
    stop: () => stop(),
  }
}

/**
 * A certificate of the private CA in the data folder; both are renewed before they expire. `exclusively` runs one
 * caller at a time among all processes of the data folder.
 */
export async function certificateFromPrivateCa(
  { dataFolder, names }: { dataFolder: string; names: string[] },
  exclusively: <T>(work: () => Promise<T>) => Promise<T>,
  { onCa, onError }: CertificateEvents,
): Promise<Certificates> {
  // What makes certificates takes longer to load than the rest of the program, and only this needs it.
  const { ensurePrivateCa } = await import('./private-ca.ts')
  const ensure = () =>
    exclusively(async () => {
      const ca = await ensurePrivateCa({
        directory: join(dataFolder, 'tls'),
        names,
        hostName: hostname(),
        now: new Date(),
      })
      onCa(ca)
      return ca
    })
  const { ca, cert, key } = await ensure()
  const served = await certificateFromFiles({ cert, key }, { onError })
  // What this or another process renews reaches the server as any change of the files does.
  const renew = () => void ensure().catch(onError)
  const renewal = setInterval(renew, hourMilliseconds).unref()
  const stopLooking = whenClockIsSet(renew)
  return {
    ...served,
    ca,
    stop() {
      clearInterval(renewal)
      stopLooking()
      served.stop()
    },
  }
}

/** Calls back when the clock was set, or the machine slept: a certificate that was valid may be no longer, or not yet. */
function whenClockIsSet(callback: () => void): () => void {
  const offset = () => Date.now() - performance.now()
  let known = offset()
  const timer = setInterval(() => {
    if (Math.abs(offset() - known) < clockDriftMilliseconds) return
    known = offset()
    callback()
  }, watchMilliseconds).unref()
  return () => clearInterval(timer)
}
