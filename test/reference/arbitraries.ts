import fc from 'fast-check'
import type { Digest } from '../../src/reference/digest.ts'
import type { ImageReference } from '../../src/reference/reference.ts'
import type { Repository } from '../../src/reference/repository.ts'
import type { Location } from '../../src/reference/tree-path.ts'

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))

export const digests = fc
  .oneof(
    hex(64).map((text) => `sha256:${text}`),
    hex(96).map((text) => `sha384:${text}`),
    hex(128).map((text) => `sha512:${text}`),
  )
  .map((text) => text as Digest)

const components = fc
  .array(fc.stringMatching(/^[a-z0-9]{1,4}$/), { minLength: 1, maxLength: 4 })
  .chain((words) =>
    fc
      .array(fc.constantFrom('.', '_', '__', '-', '--', '---'), {
        minLength: words.length - 1,
        maxLength: words.length - 1,
      })
      .map((separators) => words.map((word, index) => word + (separators[index] ?? '')).join('')),
  )

export const repositories = fc
  .array(components, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/') as Repository)

const hosts = fc.constantFrom(
  'quay.io',
  'localhost',
  'localhost:5000',
  'Registry.Example.com',
  'a-b.c--d:443',
  '127.0.0.1:5000',
  '[::1]',
  '[fe80::1]:5000',
  'UPPER',
)

/** On Docker Hub a path of one component does not stay one, so paths there have two. */
export const references: fc.Arbitrary<ImageReference> = fc
  .tuple(
    fc.oneof(
      fc.tuple(hosts, repositories),
      repositories.map((path) => ['docker.io', `account/${path}` as Repository] as const),
    ),
    fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), { nil: undefined }),
    fc.option(digests, { nil: undefined }),
  )
  .map(([[host, path], tag, digest]) => ({
    host,
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }))

export const locations: fc.Arbitrary<Location> = fc.oneof(
  fc.tuple(repositories, digests).map(([name, digest]) => ({ kind: 'repository' as const, name, digest })),
  fc
    .tuple(fc.oneof(fc.constant(''), repositories), digests)
    .map(([name, digest]) => ({ kind: 'view' as const, name, digest })),
)
