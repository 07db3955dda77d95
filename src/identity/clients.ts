import type { X509Certificate } from 'node:crypto'
import { type ClientName, type ClientRule, rulesFor } from '../access/client-rule.ts'
import type { Principal } from '../access/principal.ts'
import { printableName } from './printable-name.ts'

/** Whose certificate it is: null where it names nobody that is known, or is not for clients. Its CA is not looked at. */
export type Clients = (certificate: X509Certificate) => { principal: Principal; actor: string } | null

/** id-kp-clientAuth (RFC 5280, 4.2.1.12). OpenSSL takes a certificate without any extended key usage for any use. */
const clientAuth = '1.3.6.1.5.5.7.3.2'
const subjectAlternativeName = '2.5.29.17'

export async function certificateClients(
  rules: readonly ClientRule[],
  clock: () => number,
): Promise<Clients> {
  if (!rules.length) return () => null
  // Node shows alternative names in one text; this library reads each from its own field. It takes long to load.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')

  const alternativeNames = (certificate: X509Certificate): ClientName[] => {
    const [extension, another] = new x509.X509Certificate(certificate.raw).getExtensions(
      subjectAlternativeName,
    )
    if (!(extension instanceof x509.SubjectAlternativeNameExtension) || another) return []
    return extension.names.items.map(({ type, value }) => ({
      kind: type === 'url' ? 'uri' : type,
      name: value,
    }))
  }

  return (certificate) => {
    if (certificate.ca || !certificate.keyUsage?.includes(clientAuth)) return null
    // The connection, or the session that it resumed, may be older than the end of the certificate.
    const now = clock()
    if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) return null
    const names = [{ kind: 'subject', name: subjectOf(certificate) }, ...alternativeNames(certificate)]
    const matching = rulesFor(rules, names)
    const [first] = matching
    if (!first) return null
    const name = printableName(first.kind === 'subject' ? first.name : `${first.kind}:${first.name}`, 200)
    return {
      principal: { name, scopes: matching.flatMap(({ scopes }) => scopes) },
      actor: `certificate:${certificate.serialNumber} ${name}`,
    }
  }
}

/**
 * The subject as a string of RFC 2253 (and RFC 4514), in UTF-8: what `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb`
 * prints behind `subject=`. Different subjects have different strings: Node writes a line for each relative name, ` + `
 * between the parts of one, and has those characters escaped wherever they are in a value.
 */
export function subjectOf({ subject = '' }: Pick<X509Certificate, 'subject'>): string {
  const relativeNames = (subject ?? '').split('\n').reverse()
  return relativeNames.map((parts) => parts.split(' + ').reverse().join('+')).join(',')
}
