import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Storage } from '../storage/storage.ts'
import { withClientCa } from '../tls/client-ca.ts'
import { type Certificates, certificateFromFiles, certificateFromPrivateCa } from '../tls/serve.ts'

/** What the server shows of itself, and whose certificates it takes from clients; null: it speaks plain HTTP. */
export async function certificatesOf(
  config: Config,
  storage: Storage,
  log: Logger,
): Promise<Certificates | null> {
  const certificates = await ownCertificates(config, storage, log)
  if (!certificates || config.tls.mode === 'off' || config.tls.clientCa === undefined) return certificates
  return withClientCa(certificates, config.tls.clientCa, {
    onError: (err) => log.error({ err }, 'the CAs of clients cannot be read; the last good ones count'),
  })
}

async function ownCertificates(config: Config, storage: Storage, log: Logger): Promise<Certificates | null> {
  const { tls, data: dataFolder } = config
  const onError = (err: Error) =>
    log.error({ err }, 'the certificate cannot be renewed; the last good one is served')
  if (tls.mode === 'off') return null
  if (tls.mode === 'files') return certificateFromFiles({ cert: tls.cert, key: tls.key }, { onError })
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    let lease = await storage.lease('tls')
    for (; !lease; lease = await storage.lease('tls')) await wait(50)
    return work().finally(lease.release)
  }
  return certificateFromPrivateCa({ dataFolder, names: tls.names }, exclusively, {
    onError,
    onCa({ authority, reason, ca, unnamedHost }) {
      if (authority !== 'kept')
        log.warn({ ca, reason }, `a private CA was ${authority}; clients must trust this file`)
      if (unnamedHost)
        log.warn({ unnamedHost }, 'the CA does not permit the name of this host; add it to tls.names')
    },
  })
}
