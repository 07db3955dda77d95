import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { temporaryFolder } from '../temporary.ts'
import { checkTypes, newProject, packPackage, runNode } from './package.ts'
import { audit, build, digest, image, manifest, policyOf, release, signatureBy } from './signed-image.ts'

const folder = temporaryFolder()
const { tarball, paths } = packPackage(folder)
// Of all that the server depends on, openpgp.js alone is there.
const project = newProject(join(folder, 'project'), tarball, ['openpgp'])
const installed = join(project, 'node_modules/lookaside')

for (const [name, content] of Object.entries({
  'build.gpg': build.keyring,
  'audit.gpg': audit.keyring,
  'release.gpg': release.keyring,
  'policy.json': policyOf('build.gpg', 'release.gpg'),
  'met.json': policyOf('build.gpg', 'audit.gpg'),
  'open.json': JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }),
  'manifest.json': manifest,
  'signature-1': signatureBy(build),
  'signature-2': signatureBy(audit),
}))
  writeFileSync(join(project, name), content)

suite('the package', () => {
  test('has the program, the library, what they read, and no sources or tests', () => {
    for (const path of [
      'dist/lookaside.js',
      'dist/http/public/style.css',
      'dist/index.js',
      'dist/index.d.ts',
      'migrations/0001-initial.sql',
      'config/lookaside.yaml',
      'examples/verify.mjs',
      'docs/library.md',
      'README.md',
      'LICENSE',
    ])
      assert.ok(paths.includes(path), path)
    const folders = ['config', 'dist', 'docs', 'examples', 'migrations', 'packaging']
    assert.deepEqual(
      paths.filter((path) => path.includes('/') && !folders.includes(path.split('/')[0] ?? '')),
      [],
    )
    assert.deepEqual(
      paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')),
      [],
    )
  })

  test('exports the library and nothing else', () => {
    const script = "await import('lookaside/dist/storage/storage.js')"
    assert.match(
      runNode(project, ['--input-type=module', '-e', script]).stderr,
      /ERR_PACKAGE_PATH_NOT_EXPORTED/,
    )
  })
})

suite('types', () => {
  test('are accepted by a strict project that checks libraries and has no types of Node', () => {
    const strict = newProject(join(folder, 'strict'), tarball, [])
    writeFileSync(
      join(strict, 'all.mts'),
      `import * as lookaside from 'lookaside'
       import { type Keyring, readKeyring, readSignature, verifySignature, type Verdict } from 'lookaside'
       const keyring: Keyring = await readKeyring(new Uint8Array())
       export const verdict: Verdict = verifySignature(readSignature(new Uint8Array()), keyring, new Date())
       // @ts-expect-error a digest is a text that was checked
       export const digest: lookaside.Digest = 'sha256:'
      `,
    )
    const { output, reached } = checkTypes(strict, [])
    assert.equal(output, '')
    const folders = reached.flatMap((path) => /lookaside\/dist\/(\w+)\//.exec(path)?.[1] ?? [])
    assert.deepEqual([...new Set(folders)].sort(), [
      'access',
      'claim',
      'openpgp',
      'policy',
      'reference',
      'signature',
    ])
  })

  test('say of each export what it is', () => {
    const index = readFileSync(join(installed, 'dist/index.d.ts'), 'utf8')
    const exports = [...index.matchAll(/^export (?:type )?\{([^}]*)\} from '\.\/([^']+)\.ts'/gm)].flatMap(
      ([, names = '', file = '']) =>
        names.split(',').map((name) => ({ name: name.replace('type ', '').trim(), file })),
    )
    assert.ok(exports.length > 60)
    const silent = exports.filter(({ name, file }) => {
      if (name === '') return false
      const declarations = readFileSync(join(installed, 'dist', `${file}.d.ts`), 'utf8')
      const kind = '(?:declare )?(?:const|function|class|interface|type)'
      return !new RegExp(`\\*/\\nexport ${kind} ${name}\\b`).test(declarations)
    })
    assert.deepEqual(silent, [])
  })
})

test('importing it prints nothing and loads pure code; openpgp.js comes with the first keyring', () => {
  writeFileSync(
    join(project, 'loads.mjs'),
    `import { registerHooks } from 'node:module'
     const loaded = []
     registerHooks({
       resolve(specifier, context, next) {
         const { url } = next(specifier, context)
         if (!context.parentURL?.includes('/openpgp/dist/')) loaded.push(url.replace(/.*\\/(lookaside\\/dist|node_modules)\\//, ''))
         return next(specifier, context)
       },
     })
     const { readKeyring } = await import('lookaside')
     const first = [...loaded]
     await readKeyring(new Uint8Array()).catch(() => {})
     process.on('exit', () => console.log(JSON.stringify({ first, then: loaded.slice(first.length) })))
    `,
  )
  const { stdout, stderr } = runNode(project, ['loads.mjs'])
  assert.equal(stderr, '')
  const { first, then } = JSON.parse(stdout) as { first: string[]; then: string[] }
  assert.ok(first.includes('index.js'))
  const pure = /^(?:index|refusal|(?:access|claim|openpgp|policy|reference|signature)\/[\w-]+)\.js$/
  assert.deepEqual([...new Set(first.filter((url) => !pure.test(url)))].sort(), ['node:crypto', 'node:zlib'])
  assert.ok(then.some((url) => /\/openpgp[./]/.test(url) || url.startsWith('openpgp/dist')))
})

suite('the example', () => {
  const example = join(installed, 'examples/verify.mjs')
  const script = join(project, 'verify.mjs')
  cpSync(example, script)
  const args = (policy: string) => [policy, image, 'manifest.json', 'signature-1', 'signature-2']

  test('says who signed an image that passes', () => {
    const { code, stdout, stderr } = runNode(project, [script, ...args('met.json')])
    assert.equal(stderr, '')
    for (const { userId, key } of [build, audit]) assert.ok(stdout.includes(`${userId} (${key.fingerprint})`))
    assert.match(stdout, new RegExp(`^${image} passes$`, 'm'))
    assert.equal(code, 0)
  })

  test('says whose signature is missing', () => {
    const { code, stdout } = runNode(project, [script, ...args('policy.json')])
    assert.ok(stdout.includes(`a signature by ${release.userId} (${release.key.fingerprint}) would help`))
    assert.match(stdout, new RegExp(`^${image} does not pass$`, 'm'))
    assert.equal(code, 1)
  })

  test('says what is wrong with a file', () => {
    const { code, stdout, stderr } = runNode(project, [script, ...args('manifest.json')])
    assert.equal(stdout, '')
    assert.match(stderr, /^policy: /)
    assert.equal(code, 2)
    assert.equal(runNode(project, [script, ...args('missing.json')]).code, 2)
  })

  test('runs in a worker thread', () => {
    const start = `
      import { Worker } from 'node:worker_threads'
      const worker = new Worker('./verify.mjs', { argv: ${JSON.stringify(args('met.json'))} })
      worker.on('exit', (code) => { process.exitCode = code })
    `
    writeFileSync(join(project, 'start.mjs'), start)
    const { code, stdout } = runNode(project, ['start.mjs'])
    assert.match(stdout, / passes$/m)
    assert.equal(code, 0)
  })
})

suite('the document', () => {
  const text = readFileSync(join(installed, 'docs/library.md'), 'utf8')
  const tasks = [...text.matchAll(/```js\n(.*?)```\n.*?```text\n(.*?)```/gs)].map(
    ([, code = '', output = '']) => ({ code, output }),
  )
  const shown = (output: string) =>
    output
      .replaceAll('DIGEST', digest.slice('sha256:'.length))
      .replaceAll('FINGERPRINT', build.key.fingerprint)

  test('has five tasks, and each does and prints what it says', () => {
    assert.equal(tasks.length, 5)
    for (const [index, { code, output }] of tasks.entries()) {
      const name = `task-${index + 1}.mjs`
      writeFileSync(join(project, name), code)
      const outcome = runNode(project, [name])
      assert.deepEqual(outcome, { code: 0, stdout: shown(output), stderr: '' }, name)
    }
  })

  test('is right in TypeScript too, as is the example', () => {
    const typed = newProject(join(folder, 'typed'), tarball, ['@types/node', 'undici-types'])
    for (const [index, { code }] of tasks.entries()) writeFileSync(join(typed, `task-${index + 1}.mts`), code)
    cpSync(join(installed, 'examples/verify.mjs'), join(typed, 'verify.mts'))
    assert.equal(checkTypes(typed, ['node']).output, '')
  })
})
