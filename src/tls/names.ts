import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

/** A name a server is reached by, in its one canonical spelling: equal names have equal values. */
export interface ServerName {
  type: 'dns' | 'ip'
  value: string
}

/** RFC 1123 2.1 and RFC 1035 2.3.4. A last label of digits is refused: URL readers take such a name for an address. */
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const dnsName = new RegExp(`^(?=.{1,253}$)(?:${label}\\.)*(?![0-9]+$)${label}$`)

/**
 * A DNS name (lower-case, international ones in their ASCII form), an IPv4 or an IPv6 address without zone.
 * Undefined for anything else, wildcards among them: a name constraint cannot say "one label and no more".
 */
export function parseServerName(text: string): ServerName | undefined {
  if (isIPv4(text)) return { type: 'ip', value: text }
  if (isIPv6(text)) return text.includes('%') ? undefined : { type: 'ip', value: canonicalIPv6(text) }
  if (!/^[a-zA-Z0-9.\-\P{ASCII}]+$/u.test(text)) return undefined
  const value = domainToASCII(text)
  return dnsName.test(value) ? { type: 'dns', value } : undefined
}

/** The 4 or 16 bytes of an address that `parseServerName` has returned. */
export function addressBytes(address: string): Uint8Array<ArrayBuffer> {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number)
  const [head = '', tail] = address.split('::')
  const before = groups(head)
  const after = groups(tail ?? '')
  const zeros = Array<number>(8 - before.length - after.length).fill(0)
  return Uint8Array.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

/** The canonical spelling of 4 or 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const hex = Buffer.from(bytes).toString('hex')
  return canonicalIPv6((hex.match(/.{4}/g) ?? []).join(':'))
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1)
}
