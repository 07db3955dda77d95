import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packPackage } from '../library/package.ts'
import { build, image, manifest, policyOf, signatureBy } from '../library/signed-image.ts'
import { temporaryFolder } from '../temporary.ts'

test('npm installs the package into an empty project: the program runs there, and the example', () => {
  const folder = temporaryFolder()
  const { tarball } = packPackage(folder)
  const project = join(folder, 'project')
  mkdirSync(project)
  const run = (command: string, args: string[]) =>
    execFileSync(command, args, { cwd: project, encoding: 'utf8', timeout: 300_000 })
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true }))
  run('npm', ['install', '--no-audit', '--no-fund', '--silent', tarball])

  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  assert.equal(run('node_modules/.bin/lookaside', ['--version']).trim(), version)

  writeFileSync(join(project, 'build.gpg'), build.keyring)
  writeFileSync(join(project, 'policy.json'), policyOf('build.gpg'))
  writeFileSync(join(project, 'manifest.json'), manifest)
  writeFileSync(join(project, 'signature-1'), signatureBy(build))
  const example = 'node_modules/lookaside/examples/verify.mjs'
  const output = run(process.execPath, [example, 'policy.json', image, 'manifest.json', 'signature-1'])
  assert.ok(output.includes(build.userId))
  assert.ok(output.endsWith(`${image} passes\n`))
})
