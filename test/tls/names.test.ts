import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressBytes, addressFromBytes, parseServerName } from '../../src/tls/names.ts'

test('a name has one spelling', () => {
  const spellings: [string, string][] = [
    ['Sigs.Example.COM', 'sigs.example.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['localhost', 'localhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::00ff', '2001:db8::ff'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ]
  for (const [text, value] of spellings) assert.equal(parseServerName(text)?.value, value, text)
})

test('what is neither a DNS name nor an address is refused', () => {
  const long = `${'a'.repeat(63)}.`.repeat(4)
  for (const text of [
    ...[
      '',
      '.',
      'a..b',
      '.example.com',
      'example.com.',
      'a_b',
      '-a',
      'a-',
      'a b',
      '*.example.com',
      `${long}com`,
    ],
    ...['1.2.3', '0x7f.1', '1.2.3.256', 'host.1', '１.２.３.４', '[::1]', 'fe80::1%eth0', 'localhost:8443'],
    ...[
      'exa%6dple.com',
      'example.com/path',
      'example.com／path',
      'user@example.com',
      `${'a'.repeat(64)}.com`,
    ],
  ]) {
    assert.equal(parseServerName(text), undefined, text)
  }
})

test('an address read from its bytes is the one they were made of', () => {
  const bytes = fc.oneof(...[4, 16].map((length) => fc.uint8Array({ minLength: length, maxLength: length })))
  fc.assert(
    fc.property(bytes, (address) => {
      const text = addressFromBytes(address)
      assert.deepEqual(parseServerName(text), { type: 'ip', value: text })
      assert.deepEqual(addressBytes(text), Uint8Array.from(address))
    }),
  )
})

test('reading the spelling of a name again changes nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string({ unit: 'grapheme' })), (text) => {
      const name = parseServerName(text)
      if (name !== undefined) assert.deepEqual(parseServerName(name.value), name)
    }),
  )
})
