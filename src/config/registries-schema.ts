import { Type } from 'typebox'

const closed = { additionalProperties: false }

export const registriesSchema = Type.Optional(
  Type.Array(
    Type.Object(
      {
        host: Type.String({
          minLength: 1,
          description:
            'the registry, with its port, as image names have it (docker.io for the images of Docker Hub)',
        }),
        prefix: Type.String({
          default: '',
          description: 'the path below which its signatures live; without, they live at the top',
        }),
      },
      closed,
    ),
    {
      minItems: 1,
      examples: [[{ host: 'registry.example.com' }, { host: 'quay.io', prefix: 'quay.io' }]],
      description:
        'The registries whose images may have signatures here, and where these live. Where it is not given, every registry is served and all share one space. Several hosts may share a prefix, but no prefix may lie inside another.',
    },
  ),
)

export const registrySchema = Type.Object(
  {
    upstream: Type.Optional(
      Type.String({
        minLength: 1,
        examples: ['https://registry.internal:5000'],
        description:
          'A registry behind this server: its scheme, host and port. /v2/ is forwarded to it, so that clients use this server as that registry, unless a proxy in front sends them there itself.',
      }),
    ),
    ca: Type.Optional(
      Type.String({
        minLength: 1,
        examples: ['registry-ca.crt'],
        description:
          'The CA of upstream in PEM, beside those of the system. It is read at the start. Relative paths as for tls.cert.',
      }),
    ),
    host: Type.Optional(
      Type.String({
        minLength: 1,
        examples: ['registry.example.com'],
        description:
          'The registry as image names have it, which says where in registries its signatures live. Without it, the name counts that clients reach this server by.',
      }),
    ),
    delegate: Type.Boolean({
      default: false,
      description:
        'Whether upstream decides who may sign, beside tokens of this server: with credentials that may push to a repository there, signatures may be added to its images.',
    }),
    anonymous: Type.Boolean({
      default: false,
      description:
        'With delegate: whether everybody may sign where upstream lets everybody push. Without it, only tokens count there.',
    }),
  },
  {
    ...closed,
    description:
      'The registry extension: podman, skopeo and buildah read and write signatures at /extensions/v2/, beside or in front of a registry; docs/registry.md has whole configurations.',
  },
)
