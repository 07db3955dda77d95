/**
 * Base64 in its one canonical spelling (RFC 4648, section 4: padded, no other characters, unused bits zero); null if
 * the text is anything else.
 */
export function decodeBase64(text: string): Uint8Array | null {
  const octets = Buffer.from(text, 'base64')
  return octets.toString('base64') === text ? octets : null
}
