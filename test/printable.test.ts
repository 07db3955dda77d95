import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { printable } from '../src/printable.ts'

test('escape sequences, line breaks and reordering marks are spelled out', () => {
  const hostile: [string, string][] = [
    ['\x1b[2J\x1b]0;title\x07', '\\u{1b}[2J\\u{1b}]0;title\\u{7}'],
    ['a\r\nb\tc', 'a\\u{d}\\u{a}b\\u{9}c'],
    ['\x9b31m', '\\u{9b}31m'],
    ['\x7f\0', '\\u{7f}\\u{0}'],
    ['app\u202egpj.exe', 'app\\u{202e}gpj.exe'],
    ['a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
    ['\ud800', '\\u{d800}'],
    ['\u{e0041}', '\\u{e0041}'],
  ]
  for (const [text, shown] of hostile) assert.equal(printable(text), shown)
})

test('text that people write stays as it is', () => {
  for (const text of ['registry.example.com/team/app:1.0', 'Grüße, 東京, Ελλάδα 🚀', '', 'C:\\temp'])
    assert.equal(printable(text), text)
})

test('whatever the text, a terminal gets no control character, and a second time changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = printable(text)
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      assert.equal(printable(shown), shown)
    }),
  )
})
