import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeNameConstraints, permittedNames } from '../../src/tls/name-constraints.ts'
import { parseServerName, type ServerName } from '../../src/tls/names.ts'

function names(...texts: string[]): ServerName[] {
  return texts.flatMap((text) => parseServerName(text) ?? [])
}

function holds(constraints: Uint8Array, text: string): boolean {
  return Buffer.from(constraints).includes(Buffer.from([text.length, ...Buffer.from(text)]))
}

test('the names that went into the constraints are read from them', () => {
  const name = fc
    .oneof(fc.domain(), fc.ipV4(), fc.ipV6())
    .map((text) => names(text))
    .filter(({ length }) => length === 1)
  fc.assert(
    fc.property(fc.array(name, { maxLength: 40 }), (lists) => {
      assert.deepEqual(permittedNames(encodeNameConstraints(lists.flat())), lists.flat())
    }),
  )
})

test('names below a permitted name are excluded, unless one of them is permitted too', () => {
  const constraints = encodeNameConstraints(names('localhost', 'example.com', 'sigs.example.com'))
  assert.ok(holds(constraints, '.localhost'))
  assert.ok(holds(constraints, '.sigs.example.com'))
  assert.ok(!holds(constraints, '.example.com'))
})

test('mail addresses and URIs are permitted in a domain that cannot exist, so in none', () => {
  const constraints = Buffer.from(encodeNameConstraints(names('localhost')))
  assert.ok(constraints.includes(Buffer.from('\x81\x07invalid', 'latin1')))
  assert.ok(constraints.includes(Buffer.from('\x86\x07invalid', 'latin1')))
})

test('an address range permits no single address, and constraints that are cut short are an error', () => {
  const constraints = Buffer.from(encodeNameConstraints(names('192.0.2.1')))
  const range = Buffer.from(constraints)
  range[range.indexOf(Buffer.from([0xff, 0xff, 0xff, 0xff])) + 3] = 0
  assert.deepEqual(permittedNames(range), [])
  assert.throws(() => permittedNames(constraints.subarray(0, -1)), RangeError)
})

test('more names than a certificate can hold are refused', () => {
  const many = Array.from({ length: 2000 }, (_, index) => `host-${index}.sigs.registry.example.com`)
  assert.throws(() => encodeNameConstraints(names(...many)), RangeError)
})
