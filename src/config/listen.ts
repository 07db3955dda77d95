import { isIPv6 } from 'node:net'
import { parseServerName } from '../tls/names.ts'

/** Where to listen. An empty host means every address of the machine; port 0, one that the system chooses. */
export interface ListenAddress {
  host: string
  port: number
}

/** Reads `HOST:PORT`, `[IPv6]:PORT` and `:PORT`. Undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text)
  if (parts === null) return undefined
  const [, bracketed, plain = '', digits] = parts
  const port = Number(digits)
  if (port > 65535) return undefined
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined
  return plain === '' || parseServerName(plain) !== undefined ? { host: plain, port } : undefined
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}
