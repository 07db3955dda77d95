import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../src/reference/digest.ts'
import type { Repository } from '../../src/reference/repository.ts'
import {
  formatLocation,
  formatSlotPath,
  maxSlot,
  parseFolder,
  parseLocation,
  parseSlotPath,
  requireStorable,
} from '../../src/reference/tree-path.ts'
import { locations } from './arbitraries.ts'

const hex = '0123456789abcdef'.repeat(4)
const digest = `sha256:${hex}` as Digest
const slots = fc.integer({ min: 1, max: maxSlot })

test('a slot path is written and read without change', () => {
  fc.assert(
    fc.property(locations, slots, (location, slot) => {
      const path = formatSlotPath(location, slot)
      assert.deepEqual(parseSlotPath(path), { location, slot })
      assert.equal(path, `${formatLocation(location)}/signature-${slot}`)
      assert.deepEqual(parseLocation(formatLocation(location)), location)
    }),
  )
})

test('the folders above a slot are read as folders, with and without the last slash, and a slot is none', () => {
  fc.assert(
    fc.property(locations, slots, (location, slot) => {
      const components = formatLocation(location).split('/')
      for (let depth = 0; depth <= components.length; depth++) {
        const folder = components.slice(0, depth).join('/')
        assert.equal(parseFolder(folder), folder)
        if (folder) assert.equal(parseFolder(`${folder}/`), folder)
      }
      assert.equal(parseFolder(formatSlotPath(location, slot)), null)
    }),
  )
  for (const text of ['/', '//', 'a//', '/a', 'A', '..', 'a/..', 'a@', `sha256=${hex}/x/`, `a@sha256:${hex}`])
    assert.equal(parseFolder(text), null, text)
})

test('a text that is read as a slot path is the one text for that slot', () => {
  const pieces = fc.constantFrom(
    'a',
    '/',
    '@',
    '=',
    `sha256=${hex}`,
    '/signature-',
    '1',
    '0',
    '.',
    '%40',
    'sha256:',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
      const path = parts.join('')
      const read = parseSlotPath(path)
      if (read !== null) assert.equal(formatSlotPath(read.location, read.slot), path)
    }),
  )
})

test('different locations never share a directory, and none lies inside another', () => {
  fc.assert(
    fc.property(locations, locations, (one, other) => {
      const [a, b] = [formatLocation(one), formatLocation(other)]
      assert.equal(b.startsWith(`${a}/`), false)
      if (a === b) assert.deepEqual(one, other)
    }),
  )
})

test('a repository, a digest view and a digest view without base are told apart', () => {
  assert.deepEqual(parseSlotPath(`library/busybox@sha256=${hex}/signature-1`), {
    location: { kind: 'repository', name: 'library/busybox', digest },
    slot: 1,
  })
  assert.deepEqual(parseSlotPath(`openshift/release/sha256=${hex}/signature-12`), {
    location: { kind: 'view', name: 'openshift/release', digest },
    slot: 12,
  })
  assert.deepEqual(parseSlotPath(`sha256=${hex}/signature-127`), {
    location: { kind: 'view', name: '', digest },
    slot: 127,
  })
})

test('a repository may be called signature-1', () => {
  assert.deepEqual(parseSlotPath(`signature-1@sha256=${hex}/signature-2`)?.location.name, 'signature-1')
  assert.equal(parseSlotPath('team/signature-1'), null)
})

const place = `a@sha256=${hex}`
const refused = {
  nothing: '',
  'a location without slot': place,
  'a location with a trailing slash': `${place}/`,
  'slot 0': `${place}/signature-0`,
  'slot 128': `${place}/signature-128`,
  'slot 1000': `${place}/signature-1000`,
  'a slot beyond any integer': `${place}/signature-${'9'.repeat(400)}`,
  'a slot with a leading zero': `${place}/signature-01`,
  'a slot without number': `${place}/signature-`,
  'a negative slot': `${place}/signature--1`,
  'a slot with a sign': `${place}/signature-+1`,
  'a slot with an exponent': `${place}/signature-1e1`,
  'a slot in other figures': `${place}/signature-١`,
  'a name after the slot': `${place}/signature-1/x`,
  'a line break after the slot': `${place}/signature-1\n`,
  'a slot without location': '/signature-1',
  'a bare slot': 'signature-1',
  'a leading slash': `/${place}/signature-1`,
  'a doubled slash': `${place}//signature-1`,
  'no repository': `@sha256=${hex}/signature-1`,
  'an upper-case repository': `A@sha256=${hex}/signature-1`,
  'a way up': `../a@sha256=${hex}/signature-1`,
  'an upper-case slot name': `${place}/Signature-1`,
  'a colon in the digest': `a@sha256:${hex}/signature-1`,
  'a short digest': `a@sha256=${hex.slice(1)}/signature-1`,
  'an upper-case digest': `a@sha256=${hex.toUpperCase()}/signature-1`,
  'an unknown algorithm': `a@blake3=${hex}/signature-1`,
  'two digests': `a@sha256=${hex}@sha256=${hex}/signature-1`,
  'a digest in a component': `a-sha256=${hex}/signature-1`,
  'a directory within a location': `${place}/b@sha256=${hex}/signature-1`,
  'a name of 256 characters': `${'a'.repeat(256)}@sha256=${hex}/signature-1`,
}

for (const [name, path] of Object.entries(refused)) {
  test(`${name} is not a slot path`, () => assert.equal(parseSlotPath(path), null))
}

test('a last component is storable up to 183 characters beside a sha256 and 119 beside a sha512', () => {
  const sha512 = `sha512:${hex}${hex}` as Digest
  const at = (length: number, of: Digest) => ({
    kind: 'repository' as const,
    name: `team/${'a'.repeat(length)}` as Repository,
    digest: of,
  })
  for (const [length, of] of [
    [183, digest],
    [119, sha512],
  ] as const) {
    requireStorable(at(length, of))
    assert.equal(formatLocation(at(length, of)).split('/').at(-1)?.length, 255)
    assert.throws(() => requireStorable(at(length + 1, of)), { name: 'Refusal', code: 'name-too-long' })
  }
})

test('a digest view is storable whatever its base', () => {
  requireStorable({ kind: 'view', name: `a/${'b'.repeat(253)}`, digest })
  requireStorable({ kind: 'view', name: '', digest })
})
