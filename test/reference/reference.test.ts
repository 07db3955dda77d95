import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatReference, parseReference } from '../../src/reference/reference.ts'
import { references } from './arbitraries.ts'

const hex = 'b'.repeat(64)

test('a full reference is read and written without change', () => {
  fc.assert(
    fc.property(references, (reference) => {
      const text = formatReference(reference)
      assert.deepEqual(parseReference(text), reference)
      assert.equal(formatReference(parseReference(text)), text)
    }),
  )
})

test('a reference that is read once reads the same for ever, whatever was written', () => {
  const pieces = fc.constantFrom(
    'a',
    'B',
    '0',
    '.',
    ':',
    '/',
    '@',
    '_',
    '-',
    '[',
    ']',
    'localhost',
    'docker.io/',
    hex,
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      let reference: ReturnType<typeof parseReference>
      try {
        reference = parseReference(parts.join(''))
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'bad-reference')
        return
      }
      assert.deepEqual(parseReference(formatReference(reference)), reference)
    }),
  )
})

const expanded = {
  busybox: 'docker.io/library/busybox',
  'busybox:1.36': 'docker.io/library/busybox:1.36',
  [`busybox@sha256:${hex}`]: `docker.io/library/busybox@sha256:${hex}`,
  [`busybox:1@sha256:${hex}`]: `docker.io/library/busybox:1@sha256:${hex}`,
  'team/app': 'docker.io/team/app',
  'library/busybox': 'docker.io/library/busybox',
  'docker.io/busybox': 'docker.io/library/busybox',
  'docker.io/team/app': 'docker.io/team/app',
  'index.docker.io/busybox': 'docker.io/library/busybox',
  'index.docker.io/team/app:1': 'docker.io/team/app:1',
  'index.docker.io:443/busybox': 'index.docker.io:443/busybox',
  'DOCKER.IO/busybox': 'DOCKER.IO/busybox',
  localhost: 'docker.io/library/localhost',
  'localhost/app': 'localhost/app',
  'localhost:5000/app': 'localhost:5000/app',
  'localhost:5000': 'docker.io/library/localhost:5000',
  'quay.io/team/app:v1': 'quay.io/team/app:v1',
  'Quay.IO/team/app': 'Quay.IO/team/app',
  'TEAM/app': 'TEAM/app',
  '127.0.0.1:5000/app': '127.0.0.1:5000/app',
  '[2001:db8::1]:5000/app:1': '[2001:db8::1]:5000/app:1',
  [`${hex}:1`]: `docker.io/library/${hex}:1`,
  [`docker.io/${hex}`]: `docker.io/library/${hex}`,
  [`busybox:${'t'.repeat(128)}`]: `docker.io/library/busybox:${'t'.repeat(128)}`,
  [`quay.io/${'a'.repeat(255)}`]: `quay.io/${'a'.repeat(255)}`,
}

for (const [text, full] of Object.entries(expanded)) {
  test(`${text.slice(0, 40)} is expanded as distribution/reference does`, () => {
    assert.equal(formatReference(parseReference(text)), full)
  })
}

test('the parts of a reference are told apart', () => {
  assert.deepEqual(parseReference(`localhost:5000/team/app:v1@sha512:${hex}${hex}`), {
    host: 'localhost:5000',
    path: 'team/app',
    tag: 'v1',
    digest: `sha512:${hex}${hex}`,
  })
})

const refused = {
  'an empty text': '',
  'an image id': hex,
  'an upper-case repository': 'Busybox',
  'an upper-case repository on a host': 'quay.io/Team/app',
  'a path of 256 characters': `quay.io/${'a'.repeat(256)}`,
  'a path that library/ makes too long': 'a'.repeat(248),
  'a host without a path': 'quay.io/',
  'a leading slash': '/app',
  'a port that is no number': 'quay.io:x/app',
  'an empty port': 'quay.io:/app',
  'a host that ends in a dash': 'quay-.io/app',
  'a host with an underscore, which names no registry': 'a_b.c/app',
  'an IPv6 address without brackets': '::1/app',
  'an IPv6 zone': '[fe80::1%eth0]/app',
  'a scheme': 'https://quay.io/app',
  'an empty tag': 'app:',
  'a tag that starts with a dash': 'app:-1',
  'a tag of 129 characters': `app:${'t'.repeat(129)}`,
  'a tag with a plus sign': 'app:1+2',
  'two tags': 'app:1:2',
  'an empty digest': 'app@',
  'a short digest': `app@sha256:${hex.slice(1)}`,
  'upper-case hex in a digest': `app@sha256:${hex.toUpperCase()}`,
  'an unknown digest algorithm': `app@md5:${hex.slice(32)}`,
  'a tag after the digest': `app@sha256:${hex}:1`,
  'two digests': `app@sha256:${hex}@sha256:${hex}`,
  'a line break': 'app\n',
  'a letter outside ASCII': 'café',
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} is refused in a reference`, () => {
    assert.throws(() => parseReference(text), { name: 'Refusal', code: 'bad-reference' })
  })
}

test('a reference may have 1024 characters', () => {
  const longest = `${'h'.repeat(1019)}.io/a`
  assert.equal(formatReference(parseReference(longest)), longest)
  assert.throws(() => parseReference(`h${longest}`), { code: 'bad-reference' })
})

test('a reference of megabytes is refused at once, with little of it quoted', () => {
  for (const text of ['a'.repeat(4_000_000), 'a-'.repeat(2_000_000), `${'a.'.repeat(2_000_000)}/app`]) {
    assert.throws(
      () => parseReference(text),
      (error: Error) => error.message.length < 400,
    )
  }
})
