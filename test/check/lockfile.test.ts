import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LockFile, lockFileProblems, withGypfile } from './lockfile.ts'

const sqlite = 'node_modules/better-sqlite3'

test('a lock file without registry URLs and with gypfile is good', () => {
  const packages = { '': {}, [sqlite]: { gypfile: false }, 'node_modules/a': { resolved: 'file:../a' } }
  assert.deepEqual(lockFileProblems({ packages }), [])
})

test('a registry URL is told with its package', () => {
  const packages = {
    [sqlite]: { gypfile: false },
    'node_modules/a': { resolved: 'https://registry.example.com/a.tgz' },
  }
  assert.match(lockFileProblems({ packages }).join('\n'), /^node_modules\/a has a "resolved" URL: [^\n]*$/)
})

test('gypfile that npm dropped is told, and put back without other changes', () => {
  const lock: LockFile = {
    lockfileVersion: 3,
    packages: { '': { name: 'x' }, [sqlite]: { version: '1.0.0' } },
  }
  assert.match(lockFileProblems(lock).join('\n'), /better-sqlite3 needs "gypfile": false/)
  const fixed = withGypfile(lock)
  assert.deepEqual(lockFileProblems(fixed), [])
  const packages = { '': { name: 'x' }, [sqlite]: { version: '1.0.0', gypfile: false } }
  assert.deepEqual(fixed, { lockfileVersion: 3, packages })
})

test('an optional package that is left out is told: npm ci would refuse the file', () => {
  const packages = {
    [sqlite]: { gypfile: false },
    'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-darwin': '1' } },
    'node_modules/a-linux': {},
  }
  assert.match(
    lockFileProblems({ packages }).join('\n'),
    /^node_modules\/a has the optional package a-darwin[^\n]*$/,
  )
})
