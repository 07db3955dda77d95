import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { benchmarks } from './benchmarks.ts'
import { withResults } from './results.ts'

const document = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8')

const results = { command: 'npm run bench -- read', circumstances: 'a machine', said: ['one\n1', 'two'] }

test('docs/performance.md has a place for the results of each benchmark, and all else stays as it is', () => {
  for (const name of Object.keys(benchmarks)) {
    const written = withResults(document, name, results)
    const again = withResults(written, name, { ...results, said: ['three'] })
    assert.match(written, /`npm run bench -- read`\n\n```text\none\n1\n\ntwo\n```\n\na machine\n/)
    assert.match(again, /```text\nthree\n```/)
    const place = new RegExp(`(<!-- bench ${name} -->\n).*(<!-- end of bench ${name} -->)`, 's')
    assert.equal(again.replace(place, '$1$2'), document.replace(place, '$1$2'))
  }
})

test('results of a benchmark that has no place in a document are not written', () => {
  assert.throws(() => withResults('# Speed', 'read', results), /no place for the results of read/)
})
