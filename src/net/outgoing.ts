import { isIPv4 } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Refusal } from '../refusal.ts'

/** The CAs that connections to others trust unless they are told otherwise: those of Node and those of the system. */
export function systemCas(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')]
}

/** Whether a URL leads to this machine and nowhere else. */
export function isLoopback(url: string | URL): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}

/** Of each pair one alone counts, the first. */
const proxyVariables = [
  ['https_proxy', 'HTTPS_PROXY'],
  ['http_proxy', 'HTTP_PROXY'],
]

/**
 * Node passes over a proxy that is named otherwise, and would ask without it, which nobody wants who named one.
 * @throws Refusal configuration
 */
export function requireProxyUrls(env: NodeJS.ProcessEnv): void {
  for (const names of proxyVariables) {
    const name = names.find((name) => env[name])
    const value = name && env[name]
    if (!value || (/^https?:\/\//.test(value) && URL.canParse(value))) continue
    // Its value may hold a password.
    throw new Refusal('configuration', `${name} must be a URL, such as http://host:3128`)
  }
}

/**
 * What an agent of Node is given for a URL: the proxies that the environment names, and for this machine none.
 * @throws Refusal configuration
 */
export function proxyOptions(url: string | URL, env: NodeJS.ProcessEnv): { proxyEnv?: NodeJS.ProcessEnv } {
  if (isLoopback(url)) return {}
  requireProxyUrls(env)
  return { proxyEnv: env }
}
