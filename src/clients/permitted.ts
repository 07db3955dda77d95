import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { printable } from '../printable.ts'
import { namesPermittedBy } from '../tls/certificates.ts'

/**
 * The names that a private CA of this program may vouch for, and no others; null for any other CA. Whoever made the
 * file may have put a line break in a name: they are fit for one line of a script here.
 */
export function permittedBy(ca: string): string[] | null {
  const certificate = new x509.X509Certificate(ca)
  if (!certificate.subject.startsWith('CN=Lookaside private CA ')) return null
  return namesPermittedBy(certificate).map(({ value }) => printable(value))
}
