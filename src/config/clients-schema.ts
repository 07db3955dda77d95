import { Type } from 'typebox'

const closed = { additionalProperties: false }

const name = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

export const clientsSchema = Type.Array(
  Type.Object(
    {
      subject: name(
        'the whole subject of its certificate, as openssl x509 -noout -subject -nameopt RFC2253,-esc_msb writes it behind subject=',
      ),
      dns: name('a DNS name among its alternative names; no wildcard'),
      uri: name('a URI among its alternative names, such as a SPIFFE ID'),
      email: name('an address among its alternative names'),
      allow: Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'what is allowed, as for a token: push:team/app',
      }),
    },
    closed,
  ),
  {
    default: [],
    examples: [
      [
        { subject: 'CN=signer,O=Example', allow: ['push:team/**'] },
        { uri: 'spiffe://example.com/ci/release', allow: ['push:prod/**'] },
      ],
    ],
    description:
      'Whose certificates, by a CA of tls.clientCa and for clients (extended key usage clientAuth), sign in where no token is sent. Each entry has one name, which is compared exactly; one that a certificate has twice adds up.',
  },
)
