import { Type } from 'typebox'
import { maxBlobBytes } from '../reference/tree-path.ts'
import { clientsSchema } from './clients-schema.ts'
import { gatesSchema } from './gates-schema.ts'
import { mirrorsSchema, publishSchema } from './mirrors-schema.ts'
import { oidcSchema } from './oidc-schema.ts'
import { registriesSchema, registrySchema } from './registries-schema.ts'

const closed = { additionalProperties: false }

/**
 * Every key of the configuration: type, default and description. The reference file, the documentation, the names of
 * the variables and the help of the flags are made from this. A key without default is optional.
 */
export const configSchema = Type.Object(
  {
    data: Type.String({
      minLength: 1,
      default: './data',
      description:
        'The folder that holds everything: database, tree and private CA. It must be on a local file system. A relative path starts at the working directory.',
    }),
    listen: Type.String({
      minLength: 1,
      default: 'localhost:8443',
      description:
        'Address and port to listen on: localhost:8443, 192.0.2.1:8443, [::1]:8443, or :8443 for every address. With port 0 the system chooses one.',
    }),
    publicUrl: Type.Optional(
      Type.String({
        examples: ['https://sigs.example.com'],
        description:
          'The URL that clients reach this server by, where it is not the one of listen, such as behind a proxy. Answers, listings and client-config show it.',
      }),
    ),
    tls: Type.Object(
      {
        mode: Type.Enum(['auto', 'files', 'off'], {
          default: 'auto',
          description:
            'Where the certificate comes from. auto: a private CA and a certificate are made in the data folder, and renewed. files: cert and key are served, and read again when they change; this is also the mode where both are given and mode is not. off: plain HTTP, for behind a proxy.',
        }),
        cert: Type.Optional(
          Type.String({
            minLength: 1,
            examples: ['server.crt'],
            description:
              'For mode files: the certificate in PEM, the intermediate ones after it. A relative path starts at the folder of the configuration file; in a variable or flag, at the working directory.',
          }),
        ),
        key: Type.Optional(
          Type.String({
            minLength: 1,
            examples: ['server.key'],
            description: 'For mode files: the unencrypted private key in PEM. Relative paths as for cert.',
          }),
        ),
        clientCa: Type.Optional(
          Type.String({
            minLength: 1,
            examples: ['clients-ca.crt'],
            description:
              'CAs in PEM whose certificates clients may sign in with, as clients says; read again when it changes. Nobody must have a certificate. Relative paths as for cert.',
          }),
        ),
        names: Type.Array(Type.String(), {
          default: [],
          examples: [['sigs.example.com', '192.0.2.1']],
          description:
            "For mode auto: DNS names and addresses that clients reach this server by, beside localhost and the host's name. A name that the private CA does not permit yet makes a new one, which clients must then be told to trust.",
        }),
      },
      { ...closed, description: 'How connections are encrypted: TLS 1.2 and 1.3 only.' },
    ),
    trustedProxies: Type.Array(Type.String(), {
      default: [],
      examples: [['127.0.0.1', '10.0.0.0/8']],
      description:
        'Addresses and networks of proxies in front of this server whose X-Forwarded-For says where a request comes from. Failures to sign in are counted by that address; a proxy that is not here counts for all behind it.',
    }),
    workers: Type.Union([Type.Integer({ minimum: 1, maximum: 64 }), Type.Literal('auto')], {
      default: 'auto',
      description: 'Processes that answer requests. auto: as many as the machine has processors, up to four.',
    }),
    registries: registriesSchema,
    policy: Type.Optional(
      Type.String({
        minLength: 1,
        examples: ['policy.json'],
        description:
          'A policy.json, such as /etc/containers/policy.json, that uploads must meet: a signature is admitted only if some requirement for its image would accept it. It and the keyrings it names are read again when they change; one that cannot be used leaves the last good one in force. Without it, every well-formed signature is admitted. Relative paths as for tls.cert.',
      }),
    ),
    gates: gatesSchema,
    reads: Type.Object(
      {
        cacheSeconds: Type.Integer({
          minimum: 0,
          maximum: 86400,
          default: 0,
          description:
            'How long caches may answer for this server without asking it again. A new signature may stay unseen, and a withdrawn one seen, for this long.',
        }),
        private: Type.Boolean({
          default: false,
          description:
            'Whether listings, the change feed, the API and the pages need a token with read:PATTERN. Signatures themselves are always open: clients send no credentials.',
        }),
      },
      { ...closed, description: 'How signatures are served.' },
    ),
    uploads: Type.Object(
      {
        maxBytes: Type.Integer({
          minimum: 1,
          maximum: maxBlobBytes,
          default: 131072,
          description: `The largest signature that is admitted. Clients read at most ${maxBlobBytes} bytes.`,
        }),
        sigstoreJson: Type.Boolean({
          default: false,
          description: 'Whether signatures in the sigstore JSON form are admitted too.',
        }),
        stallSeconds: Type.Integer({
          minimum: 1,
          maximum: 3600,
          default: 30,
          description: 'How long the body of an upload may take to arrive.',
        }),
      },
      { ...closed, description: 'What may be uploaded.' },
    ),
    withdraw: Type.Object(
      {
        graceSeconds: Type.Integer({
          minimum: 0,
          maximum: 86400,
          default: 300,
          description:
            'How long the last signature of an image, which takes the place of one that is withdrawn, is also served where it was before: readers who are under way, or have older answers in a cache, would miss it. It is never less than reads.cacheSeconds.',
        }),
      },
      { ...closed, description: 'Taking signatures back.' },
    ),
    digestViews: Type.Array(
      Type.Object(
        {
          base: Type.String({ description: 'the path below which the view is read; it may be empty' }),
          repositories: Type.Array(Type.String(), {
            minItems: 1,
            description: 'patterns of the repositories whose signatures are in it',
          }),
        },
        closed,
      ),
      {
        default: [],
        examples: [[{ base: 'openshift/release', repositories: ['openshift-release-dev/**'] }]],
        description:
          'Places where signatures are found by digest alone, at BASE/ALGORITHM=HEX/signature-N, as OpenShift reads those of its releases.',
      },
    ),
    tree: Type.Object(
      {
        enabled: Type.Boolean({
          default: true,
          description: 'Whether signatures are written as files to tree/ in the data folder as well.',
        }),
      },
      {
        ...closed,
        description: 'The static files, which any web server or rsync can serve without this program.',
      },
    ),
    registry: registrySchema,
    oidc: oidcSchema,
    clients: clientsSchema,
    mirrors: mirrorsSchema,
    publish: publishSchema,
    audit: Type.Object(
      {
        days: Type.Integer({
          minimum: 1,
          maximum: 36525,
          default: 90,
          description: 'How long records are kept.',
        }),
        rows: Type.Integer({
          minimum: 1000,
          maximum: 100_000_000,
          default: 500_000,
          description:
            'How many records are kept at the most, of about 600 bytes: of withdrawals, bans and tokens 3 of 10, of uploads 5, of refusals the rest.',
        }),
      },
      {
        ...closed,
        description: 'The audit trail: who did or tried what, from where.',
      },
    ),
    log: Type.Object(
      {
        level: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
          default: 'info',
          description: 'The least severe messages that are logged.',
        }),
      },
      { ...closed, description: 'What is logged.' },
    ),
  },
  closed,
)

/** The configuration as written, with every default filled in. */
export type RawConfig = Type.Static<typeof configSchema>
