import { type Policy, readPolicy } from '../../src/policy/policy.ts'
import type { Requirement } from '../../src/policy/requirement.ts'
import { readSignedIdentity, type SignedIdentity } from '../../src/policy/signed-identity.ts'

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

export const parsePolicy = (document: unknown): Policy => readPolicy(encode(document))

/** The requirements of a policy that asks for these of every image. */
export const parseRequirements = (...requirements: unknown[]): Requirement[] =>
  parsePolicy({ default: requirements }).default

export const parseIdentity = (document: any): SignedIdentity => readSignedIdentity(document, 'signedIdentity')

export const reject = { type: 'reject' }
export const anything = { type: 'insecureAcceptAnything' }
export const signedBy = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/keys/alice.gpg' }
export const sigstore = { type: 'sigstoreSigned', keyPath: '/keys/cosign.pub' }
export const fulcio = {
  caPath: '/ca',
  oidcIssuer: 'https://issuer.example.com',
  subjectEmail: 'a@example.com',
}
export const pki = { caRootsPath: '/ca', subjectEmail: 'a@example.com' }
