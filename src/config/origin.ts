import { isIPv6 } from 'node:net'
import type { Config } from './config.ts'

/**
 * Scheme and authority by which clients reach a server of this configuration that listens on `port`: `publicUrl`, or
 * what can be told without it.
 */
export function originOf({ publicUrl, listen, tls }: Config, port: number): string {
  if (publicUrl !== undefined) return publicUrl
  const isEverywhere = ['', '::', '0.0.0.0'].includes(listen.host)
  const name = tls.mode === 'auto' ? tls.names[0] : undefined
  const host = isEverywhere ? (name ?? 'localhost') : listen.host
  return `${tls.mode === 'off' ? 'http' : 'https'}://${isIPv6(host) ? `[${host}]` : host}:${port}`
}
