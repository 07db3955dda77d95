import { Type } from 'typebox'

const closed = { additionalProperties: false }

export const mirrorsSchema = Type.Array(
  Type.Object(
    {
      from: Type.String({
        minLength: 1,
        description:
          'the URL that the tree of the source begins at, such as https://sigs.vendor.example/signatures; a server of this kind is followed by its change log, any other by its listings or by images',
      }),
      prefix: Type.String({
        default: '',
        description:
          'the path below which its signatures live here; nothing is uploaded there. Without, they live where they do at the source, beside uploads',
      }),
      policy: Type.String({
        minLength: 1,
        description: 'a policy.json that each of its signatures must meet; relative paths as for tls.cert',
      }),
      every: Type.String({
        default: '60s',
        minLength: 1,
        description: 'how often a source without a change log is looked through, from 1s to 7d',
      }),
      images: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'a file that names images, a line each, for a source without listings: their signatures are asked for one by one',
        }),
      ),
      ca: Type.Optional(
        Type.String({ minLength: 1, description: 'its CA in PEM, beside those of the system' }),
      ),
      tokenFile: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'a file with a token of the source, where its reads are private',
        }),
      ),
    },
    closed,
  ),
  {
    default: [],
    examples: [
      [
        {
          from: 'https://sigs.vendor.example/signatures',
          prefix: 'vendor',
          policy: 'vendor.json',
          every: '60s',
        },
      ],
    ],
    description:
      'Places that this server keeps a copy of. What a source has no more goes here too, unless somebody else has it; what it sends is taken only by its own policy.',
  },
)

export const publishSchema = Type.Array(
  Type.Object(
    {
      directory: Type.String({
        minLength: 1,
        description:
          'a folder that holds nothing else; it is made if it is missing. Relative paths as for tls.cert',
      }),
    },
    closed,
  ),
  {
    default: [],
    examples: [[{ directory: '/srv/sigs' }]],
    description: 'Folders that are kept as a second copy of the tree, for another web server.',
  },
)
