import type { Logger } from 'pino'
import { type UpstreamRegistry, upstreamRegistry } from '../bridge/registry.ts'
import type { Config } from '../config/config.ts'
import type { LookasideServerOptions } from '../http/server.ts'
import { readCaFile } from '../net/ca-file.ts'

/** @throws Refusal configuration */
export function upstreamOf({ registry: { upstream, ca, anonymous } }: Config): UpstreamRegistry | null {
  if (upstream === undefined) return null
  return upstreamRegistry({ upstream, ca: ca === undefined ? [] : [readCaFile(ca)], anonymous })
}

/** What clients would find out: the registry may come up after this server, so that it is no reason not to start. */
export async function warnOfRegistry(
  upstream: UpstreamRegistry,
  { registry }: Config,
  log: Logger,
): Promise<void> {
  try {
    const challenges = await upstream.challenges()
    if (challenges.length && !registry.delegate)
      log.warn(
        { upstream: upstream.origin },
        'the registry asks for credentials, which do not say here who may sign: set registry.delegate',
      )
  } catch (err) {
    log.warn({ err, upstream: upstream.origin }, 'the registry does not answer yet')
  }
}

export function registryOptions(
  { registry: { delegate, anonymous, host }, publicUrl, tls }: Config,
  upstream: UpstreamRegistry | null,
): LookasideServerOptions['registry'] {
  const isSecure = publicUrl === undefined ? tls.mode !== 'off' : publicUrl.startsWith('https:')
  return {
    upstream,
    delegate: delegate ? upstream : null,
    anonymous,
    host: host ?? null,
    scheme: isSecure ? 'https' : 'http',
  }
}
