import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findOffences, importsOf } from './imports.ts'

/** The offences in a `src` folder that holds these files. */
function offences(t: TestContext, files: Record<string, string>): string[] {
  const sources = mkdtempSync(join(tmpdir(), 'lookaside-imports-'))
  t.after(() => rmSync(sources, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(sources, name)), { recursive: true })
    writeFileSync(join(sources, name), text)
  }
  return findOffences(sources)
}

test('imports that point one way are no offence', (t) => {
  const files = {
    'claim/claim.ts':
      "import { parseDigest } from '../reference/digest.ts'\nimport type { A } from './json.ts'\n",
    'config/load.ts':
      "import { parseServerName } from '../tls/names.ts'\nimport { readFileSync } from 'node:fs'\n",
    'openpgp/verify.ts': "import * as openpgp from 'openpgp'\n",
    'storage/sqlite/sqlite.ts':
      "import Database from 'better-sqlite3'\nimport { Refusal } from '../../refusal.ts'\n",
    'cli/list.ts':
      "export { read } from '../storage/storage.ts'\nconst m = new URL('../../migrations/', import.meta.url)\n",
    'app.ts': "import { serve } from './http/server.ts'\n",
    'lookaside.js': "import process from 'node:process'\nawait import('./app.ts')\n",
  }
  assert.deepEqual(offences(t, files), [])
})

test('an import of what stands above, or beside, is told with file and line', (t) => {
  const files = {
    'tree/tree.ts':
      "\nimport { a } from './a.ts'\nimport {\n  type B,\n  b,\n} from '../admission/admit.ts'\n",
    'claim/claim.ts': "import type { A } from '../access/token.ts'\n",
    'tls/a.ts': "import '../config/load.ts'\n",
    'http/a.ts': "const start = () => import('../app.ts')\n",
    'mirror/a.ts': "export * from '../http/server.ts'\n",
    'storage/a.ts': "new Worker(new URL('../tree/worker.ts', import.meta.url))\n",
    'cli/a.ts': "type A = import('../lookaside.js').A\n",
  }
  assert.deepEqual(offences(t, files), [
    'src/claim/claim.ts:1: claim may not import access, its sibling',
    'src/cli/a.ts:1: nothing may import the entry',
    'src/http/a.ts:1: http may not import app, which stands above it',
    'src/mirror/a.ts:1: mirror may not import http, which stands above it',
    'src/storage/a.ts:1: storage may not import tree, which stands above it',
    'src/tls/a.ts:1: tls may not import config, its sibling',
    'src/tree/tree.ts:3: tree may not import admission, which stands above it',
  ])
})

test('pure folders do no input or output, and packages stay with their owner', (t) => {
  const files = {
    'policy/a.ts':
      "import { readFile } from 'node:fs/promises'\nimport net from 'net'\nimport { createHash } from 'node:crypto'\n",
    'signature/a.ts': "import { readMessage } from 'openpgp/lightweight'\n",
    'tree/a.ts': "import Database from 'better-sqlite3'\n",
    'access/a.ts': "import type { FastifyRequest } from 'fastify'\n",
  }
  assert.deepEqual(offences(t, files), [
    'src/access/a.ts:1: access does no input or output, so not fastify',
    'src/policy/a.ts:1: policy does no input or output, so not node:fs/promises',
    'src/policy/a.ts:2: policy does no input or output, so not net',
    'src/signature/a.ts:1: only openpgp may import openpgp/lightweight',
    'src/tree/a.ts:1: only storage may import better-sqlite3',
  ])
})

test('the library imports pure folders alone, and nothing imports it', (t) => {
  const files = {
    'index.ts':
      "export { Refusal } from './refusal.ts'\nexport { a } from './policy/a.ts'\nexport { b } from './durable/b.ts'\nimport 'node:fs'\n",
    'policy/a.ts': "import { Refusal } from '../index.ts'\n",
    'cli/a.ts': "import { Refusal } from '../index.ts'\n",
  }
  assert.deepEqual(offences(t, files), [
    'src/cli/a.ts:1: nothing may import the library: it is for others',
    'src/index.ts:3: index may not import durable, which stands above it',
    'src/index.ts:4: index does no input or output, so not node:fs',
    'src/policy/a.ts:1: nothing may import the library: it is for others',
  ])
})

test('the entry imports the app alone, and a new folder must be given its place', (t) => {
  const files = {
    'lookaside.js': "import './cli/program.ts'\nimport pino from 'pino'\n",
    'utils/a.ts': '',
    'http/a.ts': "import '../utils/a.ts'\nimport '../../test/a.ts'\n",
  }
  assert.deepEqual(offences(t, files), [
    'src/http/a.ts:1: utils has no place in the layers of test/check/imports.ts',
    'src/http/a.ts:2: ../../test/a.ts is outside src',
    'src/lookaside.js:1: the entry may import app alone, not cli',
    'src/lookaside.js:2: the entry may import app alone, not pino',
    'src/utils/a.ts:1: utils has no place in the layers of test/check/imports.ts',
  ])
})

test('comments and texts are no imports; a computed one cannot be checked', () => {
  const source = [
    "// import a from 'a'",
    "/*\nimport b from 'b'\n*/",
    " * import c from 'c'",
    'const text = "import d from \'d\'"',
    "export const from = 'e'",
    "export function f() {\n  return from('g')\n}",
    'const url = /^https?:\\/\\/[\'"]/; await import(name)',
    "await import('./h.ts')",
  ].join('\n')
  assert.deepEqual(importsOf(source), [
    { line: 11, specifier: undefined },
    { line: 12, specifier: './h.ts' },
  ])
})
