import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatSlotPath, normaliseUrlPath } from '../../src/reference/tree-path.ts'
import { locations } from './arbitraries.ts'

const path = `library/busybox@sha256=${'0a'.repeat(32)}/signature-1`

const read = {
  'as Go clients send it': `/${path}`,
  'with @ and = escaped': `/${path}`.replace('@', '%40').replace('=', '%3D'),
  'with lower-case escapes': `/${path}`.replace('@', '%40').replace('=', '%3d'),
  'with everything escaped': `/${[...path].map((c) => (c === '/' ? c : `%${c.charCodeAt(0).toString(16)}`)).join('')}`,
  'with escaped slashes': `/${encodeURIComponent(path)}`,
  'under a base with a trailing slash': `//${path}`,
  'with slashes doubled anywhere': `///${path.replaceAll('/', '//')}`,
  'with doubled slashes escaped': `/%2f${path.replaceAll('/', '%2F/')}`,
  'with a query': `/${path}?token=abc`,
  'with a query that looks like a path': `/${path}?../../x//%zz#`,
  'with an empty query': `/${path}?`,
  'in absolute form': `http://sigs.example.com/${path}`,
  'in absolute form with a port and a query': `HTTPS://sigs.example.com:8443//${path}?a=b`,
}

for (const [name, rawUrl] of Object.entries(read)) {
  test(`a slot is found ${name}`, () => assert.equal(normaliseUrlPath(rawUrl), path))
}

test('a trailing slash is kept, for listings', () => {
  assert.equal(normaliseUrlPath('/signatures/team/'), 'signatures/team/')
  assert.equal(normaliseUrlPath('/signatures/team//'), 'signatures/team/')
  assert.equal(normaliseUrlPath('/'), '')
  assert.equal(normaliseUrlPath('//'), '')
  assert.equal(normaliseUrlPath('http://sigs.example.com'), '')
  assert.equal(normaliseUrlPath('http://sigs.example.com?a=b'), '')
})

test('what looks like an absolute form within a path is part of the path', () => {
  assert.equal(normaliseUrlPath('/a/http://host/b'), 'a/http:/host/b')
})

const refused = {
  'an empty target': '',
  'a target without leading slash': path,
  'an asterisk': '*',
  'the authority form': 'sigs.example.com:443',
  'another scheme': `ftp://sigs.example.com/${path}`,
  'an absolute form without host': `http:///${path}`,
  'two dots': '/..',
  'two dots in front': '/../etc/passwd',
  'two dots between': '/a/../b',
  'two dots at the end': '/a/..',
  'two dots with a trailing slash': '/a/../',
  'two dots before a query': '/a/..?b',
  'two dots after a host': 'http://a/../b',
  'escaped dots': '/a/%2e%2e/b',
  'half-escaped dots': '/a/.%2E/b',
  'dots between escaped slashes': '/a%2f..%2fb',
  'dots between escaped backslashes': '/a%5c..%5cb',
  'dots after doubled slashes': '/a//..//b',
  'one dot': '/a/./b',
  'an escaped dot': '/a/%2e/b',
  'doubly escaped dots': '/a/%252e%252e/b',
  'a doubly escaped slash': '/a/..%252fb',
  'overlong UTF-8 of a dot': '/a/%c0%ae%c0%ae/b',
  'overlong UTF-8 of a slash': '/a/..%c0%afb',
  'full-width dots': '/a/%ef%bc%8e%ef%bc%8e/b',
  'a backslash': '/a\\b',
  'an escaped backslash': '/a%5Cb',
  'an escaped NUL': `/${path}%00`,
  'an escaped line break': `/${path}%0a`,
  'a NUL': `/${path}\0`,
  'a tab': '/a\tb',
  'a space': '/a b',
  'an escaped space': '/a%20b',
  'a DEL': '/a%7f',
  'a letter outside ASCII': '/caf\u00e9',
  'an escaped letter outside ASCII': '/caf%C3%A9',
  'an escape cut short': '/a%4',
  'an escape that is none': '/a%zz',
  'a percent sign at the end': '/a%',
  'an escaped percent sign': '/a%25',
  'an escaped question mark': '/a%3Fb',
  'a fragment': `/${path}#x`,
}

for (const [name, rawUrl] of Object.entries(refused)) {
  test(`${name} is not a path`, () => assert.equal(normaliseUrlPath(rawUrl), null))
}

test('whatever is asked for, what comes out stays below the root and is settled', () => {
  const hostile = fc.constantFrom(
    ...[
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      '%00',
      '%25',
      '%',
      '?',
      '#',
      'a',
      '@',
      '%40',
      '=',
    ],
    ...['http://h', '%c0%ae', '\u00e9', ' ', '\n', '%e2%80%ae', '~', ':', '+', '%252e', ';', '*'],
  )
  const targets = fc.oneof(
    fc.array(hostile, { maxLength: 10 }).map((parts) => parts.join('')),
    fc.array(hostile, { maxLength: 10 }).map((parts) => `/${parts.join('')}`),
    fc.string(),
  )
  fc.assert(
    fc.property(targets, (rawUrl) => {
      const result = normaliseUrlPath(rawUrl)
      if (result === null) return
      assert.match(result, /^[\x21-\x7e]*$/)
      assert.doesNotMatch(result, /\\|%|\?|#|\/\/|^\//)
      assert.equal(
        result.split('/').some((component) => component === '.' || component === '..'),
        false,
      )
      assert.equal(new URL(`http://host/${result}`).pathname, `/${result}`)
      assert.equal(normaliseUrlPath(`/${result}`), result)
    }),
    { numRuns: 5000 },
  )
})

test('every slot path is found through any escaping of its characters', () => {
  fc.assert(
    fc.property(locations, fc.infiniteStream(fc.integer({ min: 0, max: 3 })), (location, choices) => {
      const slotPath = formatSlotPath(location, 1)
      const escaped = [...slotPath].map((c) => {
        const code = `%${c.charCodeAt(0).toString(16)}`
        return [c, c, code, code.toUpperCase()][choices.next().value ?? 0]
      })
      assert.equal(normaliseUrlPath(`/${escaped.join('')}`), slotPath)
    }),
  )
})
