import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Json, maxDepth, readJson } from '../../src/claim/json.ts'

const read = (text: string): Json => readJson(new TextEncoder().encode(text))

/** As `JSON.parse` builds it, for comparison: objects here have no prototype. */
const plain = (value: Json): unknown => JSON.parse(JSON.stringify(value))

test('whatever JSON.stringify writes is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(0, 1, '\t'), (text, indent) => {
      const written = JSON.stringify(JSON.parse(text), null, indent)
      assert.deepEqual(plain(read(written)), plain(JSON.parse(written)))
    }),
  )
})

test('what is accepted is a subset of what JSON.parse accepts, with the same value', () => {
  const tokens = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"a"', '"b"', '"', '\\', '\\u0061', '\\ud800', '\\udc00', '\\n', 'x'],
    ...[
      '0',
      '1',
      '-',
      '.',
      'e',
      '+',
      'true',
      'false',
      'null',
      ' ',
      '\n',
      '\u00a0',
      '\0',
      '1e400',
      '"__proto__"',
    ],
  )
  fc.assert(
    fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
      const text = parts.join('')
      let value: Json
      try {
        value = read(text)
      } catch (error) {
        assert.match(String((error as { code?: unknown }).code), /^claim-(json|duplicate-key)$/)
        return
      }
      assert.deepEqual(plain(value), plain(JSON.parse(text)))
    }),
    { numRuns: 20_000 },
  )
})

test('white space of JSON may stand around every token', () => {
  assert.deepEqual(plain(read(' \t\r\n{ "a" : [ 1 , true , null , false ] , "b" : { } }\n')), {
    a: [1, true, null, false],
    b: {},
  })
})

test('escapes are read, a surrogate pair as one character', () => {
  assert.equal(read('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\ud83d\\uDE00"'), '"\\/\b\f\n\r\té😀')
})

test('the first and the last surrogate pair are read', () => {
  assert.equal(read('"\\ud800\\udc00\\udbff\\udfff"'), '\u{10000}\u{10ffff}')
})

test('__proto__ and constructor are ordinary keys', () => {
  const value = read('{"__proto__": {"admin": true}, "constructor": 1}') as Record<string, Json>
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(value), null)
  assert.equal('admin' in value, false)
  assert.equal('toString' in value, false)
})

const duplicates = {
  'side by side': '{"a":1,"a":1}',
  'written with an escape': '{"critical":1,"critic\\u0061l":2}',
  'written with two escapes': '{"\\u0061":1,"\\u0061":2}',
  'that is empty': '{"":1,"":2}',
  __proto__: '{"__proto__":1,"__proto__":2}',
  'in an inner object': '{"a":[{"b":1,"c":2,"b":3}]}',
  'written as a surrogate pair': '{"😀":1,"\\ud83d\\ude00":2}',
}

for (const [name, text] of Object.entries(duplicates)) {
  test(`a key twice in one object, ${name}, is refused`, () => {
    assert.throws(() => read(text), { name: 'Refusal', code: 'claim-duplicate-key' })
  })
}

test('the same key in different objects is fine', () => {
  assert.deepEqual(plain(read('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')), {
    a: { a: 1 },
    b: [{ a: 1 }, { a: 2 }],
  })
})

const refused = {
  'nothing at all': '',
  'white space alone': ' \n',
  'a byte order mark': '\ufeff{}',
  'a second value': '{}{}',
  'a letter after the value': '{}x',
  'a NUL after the value': '{}\0',
  'an object without end': '{"a":1',
  'an array without end': '[1',
  'a string without end': '"a',
  'a comma before the end of an object': '{"a":1,}',
  'a comma before the end of an array': '[1,]',
  'a comma alone': '[,]',
  'no comma': '[1 2]',
  'no colon': '{"a" 1}',
  'a key without value': '{"a":}',
  'a key without quotes': '{a:1}',
  'a key without its opening quote': '{a":1}',
  'single quotes': "{'a':1}",
  'a comment': '{} // x',
  'a word that is none': 'nul',
  'an upper-case word': 'True',
  NaN: 'NaN',
  Infinity: '-Infinity',
  undefined: 'undefined',
  'a number with a leading zero': '01',
  'a number with a plus sign': '+1',
  'a number without whole part': '.5',
  'a number without fraction after the point': '5.',
  'a number without exponent': '1e',
  'a minus sign alone': '-',
  'a hexadecimal number': '0x10',
  'a number with separators': '1_000',
  'a number beyond a double': '1e400',
  'a negative number beyond a double': '-1e400',
  'a tab in a string': '"a\tb"',
  'a line break in a string': '"a\nb"',
  'a NUL in a string': '"a\0b"',
  'an escape that is none': '"\\x41"',
  'an upper-case escape': '"\\U0041"',
  'a short escape': '"\\u41"',
  'an escape with other figures': '"\\u００４１"',
  'a high surrogate alone': '"\\ud800"',
  'a low surrogate alone': '"\\udc00"',
  'the last surrogate alone': '"\\udfff"',
  'two low surrogates': '"\\udc00\\udc00"',
  'two high surrogates': '"\\ud800\\ud800"',
  'surrogates in the wrong order': '"\\udc00\\ud800"',
  'a high surrogate before a letter': '"\\ud800\\u0041"',
  'a high surrogate before another escape': '"\\ud800\\n"',
  'a no-break space': '\u00a0{}',
}

for (const [name, text] of Object.entries(refused)) {
  test(`${name} is not JSON`, () => {
    assert.throws(() => read(text), { name: 'Refusal', code: 'claim-json' })
  })
}

const notUtf8 = {
  'a byte that starts nothing': [0x80],
  'a sequence cut short': [0xc3],
  'an overlong slash': [0xc0, 0xaf],
  'a surrogate': [0xed, 0xa0, 0x80],
  'beyond U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'UTF-16': [0x00, 0x61],
}

for (const [name, bytes] of Object.entries(notUtf8)) {
  test(`invalid UTF-8 is refused: ${name}`, () => {
    assert.throws(() => readJson(Uint8Array.of(0x22, ...bytes, 0x22)), {
      name: 'Refusal',
      code: 'claim-json',
    })
  })
}

test('a number too small for a double is zero, as in other readers', () => {
  assert.equal(read('1e-400'), 0)
})

test('nesting is read up to the limit and refused beyond it', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  read(nested(maxDepth))
  assert.throws(() => read(nested(maxDepth + 1)), { code: 'claim-json', message: /nests deeper/ })
  assert.throws(() => read('[{"a":'.repeat(500_000)), { code: 'claim-json', message: /nests deeper/ })
})

test('the refusal of a huge duplicate key quotes little of it', () => {
  const key = JSON.stringify('k'.repeat(1_000_000))
  assert.throws(
    () => read(`{${key}:1,${key}:2}`),
    (error: Error) => error.message.length < 400,
  )
})
