import { addressBytes, addressFromBytes, type ServerName } from './names.ts'

/** The extension's object identifier, RFC 5280 4.2.1.10. */
export const nameConstraintsOid = '2.5.29.30'

/** GeneralName, RFC 5280 4.2.1.6: context tags, all of them primitive here. */
const tag = {
  sequence: 0x30,
  permitted: 0xa0,
  excluded: 0xa1,
  email: 0x81,
  dns: 0x82,
  uri: 0x86,
  address: 0x87,
}

/** RFC 6761 6.4: a top-level domain that never exists. */
const nowhere = 'invalid'

/**
 * The DER value of a name constraints extension that permits these names and, as far as clients can be told, nothing
 * else, so that whoever steals the key of a trusted CA can impersonate no other host:
 * - A name form that no subtree mentions is unconstrained. Mail addresses and URIs are therefore permitted in a domain
 *   that cannot exist. Directory names stay open, because Go refuses a critical extension with a form it does not
 *   know; the CA's extended key usage (TLS servers only) is what makes them worthless.
 * - A DNS subtree contains every name below it, so those are excluded again, by a leading dot (RFC 5280 erratum 5997;
 *   OpenSSL, Go, NSS, GnuTLS and webpki read it so). Where a name below is wanted itself, this cannot be said.
 * - Addresses have a mask of all ones.
 */
export function encodeNameConstraints(names: ServerName[]): Uint8Array<ArrayBuffer> {
  const domains = names.filter(({ type }) => type === 'dns').map(({ value }) => value)
  const closed = domains.filter((parent) => !domains.some((name) => name.endsWith(`.${parent}`)))
  return der(
    tag.sequence,
    der(
      tag.permitted,
      ...names.map((name) => subtree(name)),
      der(tag.sequence, der(tag.email, Buffer.from(nowhere))),
      der(tag.sequence, der(tag.uri, Buffer.from(nowhere))),
    ),
    ...(closed.length === 0
      ? []
      : [der(tag.excluded, ...closed.map((name) => subtree({ type: 'dns', value: `.${name}` })))]),
  )
}

/** The DNS names and single addresses permitted by an extension value; an address range is none. Throws on damage. */
export function permittedNames(value: Uint8Array): ServerName[] {
  const [sequence] = elements(value)
  const permitted = elements(sequence?.content ?? new Uint8Array()).find((part) => part.tag === tag.permitted)
  return elements(permitted?.content ?? new Uint8Array()).flatMap((entry): ServerName[] => {
    const [base] = elements(entry.content)
    if (base?.tag === tag.dns) return [{ type: 'dns', value: Buffer.from(base.content).toString('latin1') }]
    if (base?.tag === tag.address && isSingleAddress(base.content)) {
      return [{ type: 'ip', value: addressFromBytes(base.content.subarray(0, base.content.length / 2)) }]
    }
    return []
  })
}

function subtree(name: ServerName): Uint8Array {
  if (name.type === 'dns') return der(tag.sequence, der(tag.dns, Buffer.from(name.value)))
  const address = addressBytes(name.value)
  return der(tag.sequence, der(tag.address, address, new Uint8Array(address.length).fill(0xff)))
}

function isSingleAddress(content: Uint8Array): boolean {
  const half = content.length / 2
  return (half === 4 || half === 16) && content.subarray(half).every((byte) => byte === 0xff)
}

function der(type: number, ...contents: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  if (length > 0xffff) throw new RangeError('too many names for one certificate')
  return Uint8Array.from([type, ...size, ...content])
}

function elements(bytes: Uint8Array): { tag: number; content: Uint8Array }[] {
  const found = []
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at + 1] ?? 0
    const width = first < 0x80 ? 0 : first - 0x80
    const start = at + 2 + width
    const length = width === 0 ? first : Buffer.from(bytes.subarray(at + 2, start)).readUIntBE(0, width)
    if (start + length > bytes.length) throw new RangeError('the name constraints are cut short')
    found.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length) })
    at = start + length
  }
  return found
}
