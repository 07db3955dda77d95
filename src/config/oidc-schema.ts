import { Type } from 'typebox'
import { issuerAlgorithms } from '../access/claim-rule.ts'

const closed = { additionalProperties: false }

const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }

export const oidcSchema = Type.Array(
  Type.Object(
    {
      issuer: Type.String({
        minLength: 1,
        description:
          'the issuer exactly as its tokens name it in iss: an https URL, below which its metadata are found at /.well-known/openid-configuration',
      }),
      audience: Type.String({
        minLength: 1,
        description:
          'what aud of its tokens must be, or have in it: a name for this server and no other, such as its URL',
      }),
      algorithms: Type.Array(Type.Enum([...issuerAlgorithms]), {
        minItems: 1,
        default: ['RS256', 'ES256'],
        description: 'the signature algorithms that its tokens may have',
      }),
      jwksUri: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'where its keys are, instead of where its metadata say; needed where that is at another origin than the issuer',
        }),
      ),
      ca: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'its CA in PEM, beside those of the system; relative paths as for tls.cert',
        }),
      ),
      maxLifetime: Type.String({
        default: '24h',
        minLength: 1,
        description: 'tokens that are valid for longer, from iat to exp, are refused',
      }),
      rules: Type.Array(
        Type.Object(
          {
            claims: Type.Record(
              Type.String(),
              Type.Union([Type.String(), Type.Integer(safe), Type.Boolean()]),
              {
                description:
                  'what claims of the token must be, all of them, exactly and of the same type: "1" is not 1',
              },
            ),
            allow: Type.Array(Type.String({ minLength: 1 }), {
              minItems: 1,
              description:
                'what is then allowed, as for a token: push:team/app. In push:{repository}, the value of that claim is filled in; where it is no repository path, the rule does not match',
            }),
          },
          closed,
        ),
        { minItems: 1, description: 'what tokens allow: the sum of all rules that match' },
      ),
    },
    closed,
  ),
  {
    default: [],
    examples: [
      [
        {
          issuer: 'https://token.actions.githubusercontent.com',
          audience: 'https://sigs.example.com',
          rules: [
            {
              claims: { repository_id: '123456789', ref: 'refs/heads/main', environment: 'production' },
              allow: ['push:team/app'],
            },
          ],
        },
      ],
    ],
    description:
      'Issuers whose tokens (OpenID Connect) sign in here, such as those of CI jobs: see docs/identity.md. Their keys are had from them and nobody else.',
  },
)
