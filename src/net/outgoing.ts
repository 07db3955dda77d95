import { isIPv4 } from 'node:net'
import { getCACertificates } from 'node:tls'

/** The CAs that connections to others trust unless they are told otherwise: those of Node and those of the system. */
export function systemCas(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')]
}

/** Whether a URL leads to this machine and nowhere else. */
export function isLoopback(url: string | URL): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}
