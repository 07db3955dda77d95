import { Type } from 'typebox'

const closed = { additionalProperties: false }

export const gatesSchema = Type.Record(
  Type.String(),
  Type.Object(
    {
      policy: Type.String({
        minLength: 1,
        description: 'a policy.json that the image must meet; relative paths as for tls.cert',
      }),
      keys: Type.Array(
        Type.Object(
          {
            atLeast: Type.Integer({
              minimum: 1,
              maximum: 1000,
              description: 'by how many different keys there must be a signature',
            }),
            of: Type.Array(Type.String({ minLength: 1 }), {
              minItems: 1,
              description: 'files with the public keys; relative paths as for tls.cert',
            }),
            signedIdentity: Type.Optional(
              Type.Unsafe<object>({
                $comment: 'a signedIdentity of a policy.json',
                description:
                  'which names the claims may have, as in a policy.json; without, matchRepoDigestOrExact',
              }),
            ),
          },
          closed,
        ),
        { default: [], description: 'besides the policy: signatures by so many of some keys, whichever' },
      ),
      maxAge: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'such as 90d: signatures that were made longer ago do not count',
        }),
      ),
      index: Type.Enum(['ignored', 'required'], {
        default: 'ignored',
        description:
          'whether the index of a multi-architecture image must pass too; clients verify the image they run, and never the index',
      }),
    },
    closed,
  ),
  {
    default: {},
    examples: [
      {
        production: {
          policy: 'production.json',
          keys: [{ atLeast: 2, of: ['operations.gpg'] }],
          maxAge: '90d',
        },
      },
    ],
    description:
      'Named policies for images: GET /api/v1/gates/NAME and verify --gate answer whether an image passes one. Their files are followed as those of policy are.',
  },
)
