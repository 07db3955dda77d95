import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { refusalStatus } from '../src/refusal.ts'

/** Statuses and codes of the tables below `## What is refused`: one status for all codes of a row, or one for each. */
function documented(): Map<string, number> {
  const text = readFileSync(new URL('../docs/signer.md', import.meta.url), 'utf8')
  const section = /^## What is refused$(.*?)^## /ms.exec(text)?.[1] ?? ''
  const found = new Map<string, number>()
  for (const [, statuses = '', names = ''] of section.matchAll(/^\| ([0-9, ]+) \| ([^|]+) \|/gm)) {
    const codes = [...names.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)
    const each = statuses.split(', ').map(Number)
    assert.ok(each.length === 1 || each.length === codes.length, `${statuses} of ${names}`)
    codes.forEach((code, index) => {
      assert.ok(!found.has(code), `${code} is there twice`)
      found.set(code, each[each.length === 1 ? 0 : index] as number)
    })
  }
  return found
}

test('the documentation has each code of a refusal with its status, and no other', () => {
  // What is no refusal is answered with one code more.
  assert.deepEqual(Object.fromEntries(documented()), { ...refusalStatus, internal: 500 })
})
