import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder, makeFolderSync } from '../../src/durable/durable.ts'
import { temporaryFolder } from '../temporary.ts'

const durable = join(import.meta.dirname, '../../src/durable/durable.ts')

test('a folder is made with those above it, and may be there already', async () => {
  const folder = temporaryFolder()
  await makeFolder(join(folder, 'a/b/c'))
  await makeFolder(join(folder, 'a/b/c/'))
  makeFolderSync(join(folder, 'a/private/d'), 0o700)
  assert.ok(statSync(join(folder, 'a/b/c')).isDirectory())
  assert.equal(statSync(join(folder, 'a/private')).mode & 0o777, 0o700)
  makeFolderSync('/')
  symlinkSync('a', join(folder, 'link'))
  makeFolderSync(join(folder, 'link/e'))
  assert.ok(statSync(join(folder, 'a/e')).isDirectory())
})

test('what is no folder is told, and many may make one at once', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'file')
  writeFileSync(file, '')
  assert.throws(() => makeFolderSync(file), { code: 'EEXIST' })
  assert.throws(() => makeFolderSync(join(file, 'a/b')), { code: 'EEXIST' })
  await Promise.all(Array.from({ length: 10 }, () => makeFolder(join(folder, 'x/y'))))
})

const onlyHere = { skip: process.platform !== 'linux' && 'its path is found in /proc' }

test('below a folder that was removed under a process nothing is made, and that is told', onlyHere, () => {
  const folder = join(temporaryFolder(), 'removed')
  mkdirSync(folder)
  const program = `
    import { rmdirSync } from 'node:fs'
    const { makeFolderSync } = await import(${JSON.stringify(durable)})
    rmdirSync(process.cwd())
    try { makeFolderSync('/proc/self/cwd/locks/a') } catch (error) { console.log(error.code) }
  `
  const args = ['--input-type=module', '--eval', program]
  const { stdout, error } = spawnSync(process.execPath, args, {
    cwd: folder,
    timeout: 60_000,
    encoding: 'utf8',
  })
  assert.equal(error, undefined)
  assert.equal(stdout, 'ENOENT\n')
})
