import { isIP, isIPv4 } from 'node:net'

/** An address as people know it: where one socket takes both, IPv4 is written in IPv6 (RFC 4291, section 2.5.5.2). */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, '')
}

/**
 * What one customer has: an IPv4 address, or the first 64 bits of an IPv6 one (RFC 6177; RFC 4291, section 2.5.4), as
 * in `2001:db8:1:2::/64`. What is no address is the empty text.
 */
export function networkOf(address: string): string {
  const text = plainAddress(address).replace(/%.*$/s, '')
  if (isIP(text) === 0) return ''
  if (isIPv4(text)) return text
  // The canonical spelling (RFC 5952), which has no IPv4 address at its end.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const [before = [], behind = []] = canonical.split('::').map((part) => part.split(':').filter(Boolean))
  const zeros = Array<string>(8 - before.length - behind.length).fill('0')
  return `${[...before, ...zeros, ...behind].slice(0, 4).join(':')}::/64`
}
