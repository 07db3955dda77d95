import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { digestOf, entryOf, imageManifest, indexOf, writeLayout } from '../manifests/layout.ts'
import { exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { answering } from './answering.ts'
import { lookaside, program } from './run.ts'

const folder = temporaryFolder()
const token = `lks_${'0'.repeat(8)}_${'a'.repeat(43)}`

/** Nobody may make a file there, root neither. */
const unwritable = '/proc'

/** Signs what there is a signature of in the folder, by its digest. */
const signatures = join(folder, 'signatures')
const signer = `cat "${signatures}/$(sed 's/.*sha256:\\([0-9a-f]*\\).*/\\1/')"`
mkdirSync(signatures)

function signable(digest: string): Buffer {
  const blob = newBlob({ digest })
  writeFileSync(join(signatures, digest.replace('sha256:', '')), blob)
  return blob
}

const digest = exampleDigest('a')
signable(digest)

const images = ['one', 'two'].map(imageManifest)
const index = indexOf(images.map((image) => entryOf(image, 'linux/amd64')))
const layout = writeLayout(join(folder, 'layout'), [entryOf(index)], [index, ...images])
const all = ['--all', '--oci-layout', layout]

const sign = (args: string[], { url = 'http://127.0.0.1:1', cwd = folder } = {}) =>
  lookaside(['sign', exampleReference, '--signer-command', signer, ...args], {
    env: { LOOKASIDE_SERVER: url, LOOKASIDE_TOKEN: token },
    cwd,
  })

test('what became of an upload is told also where the signature cannot be kept', async () => {
  const detail = 'No key that is trusted made it'
  const { url } = await answering((_request, response) =>
    response.writeHead(422).end(JSON.stringify({ code: 'not-trusted', detail })),
  )
  const push = ['--digest', digest, '--push']
  const { code, stdout, stderr } = await sign(push, { url, cwd: unwritable })
  assert.deepEqual([code, stdout], [1, `refused ${exampleReference}: not-trusted: ${detail}\n`])
  assert.match(
    stderr,
    /^lookaside: the signature could not be kept: .*signature-\d+ cannot be written: ENOENT/m,
  )

  const away = await sign(push, { cwd: unwritable })
  assert.equal(away.code, 3)
  assert.match(away.stderr, /could not be kept: .*\n.*Nothing listens at /)
})

test('what was uploaded of several is told also where the others cannot be kept', async () => {
  for (const bytes of [...images, index]) signable(digestOf(bytes))
  let asked = 0
  const { url } = await answering((_request, response) => {
    if (++asked === 1) response.writeHead(201).end(JSON.stringify({ url: 'https://sigs.example.com/1' }))
    else response.writeHead(422).end(JSON.stringify({ code: 'not-trusted', detail: 'No' }))
  })
  const { code, stdout, stderr } = await sign([...all, '--push'], { url, cwd: unwritable })
  assert.equal(code, 1, stderr)
  assert.match(stdout, /^added https:\/\/sigs\.example\.com\/1\nrefused .*\nrefused .*\n$/)
  assert.match(stderr, /^lookaside: 2 of 2 signatures could not be kept: /m)
  assert.match(stderr, /^1 added, 0 already there, 2 refused or left out$/m)
})

test('that a signer failed is told also where what it made before cannot be kept', async () => {
  writeFileSync(join(signatures, digestOf(images[1] as Buffer).slice(7)), 'no signature')
  const { code, stderr } = await sign([...all, '--push'], { cwd: unwritable })
  assert.equal(code, 3)
  assert.match(stderr, /could not be kept: .*\n(.*\n)*lookaside: What The signer made is no signature/)
})

test('a signature that could be written in part alone leaves no file behind', async () => {
  const digest = exampleDigest('b')
  const blob = newBlob({ digest }, { valueOctets: 2000 })
  writeFileSync(join(signatures, digest.slice(7)), blob)
  const [output, tree] = [join(folder, 'cut'), join(folder, 'tree')]
  const manifest = imageManifest('three')
  const tooLong = newBlob({ digest: digestOf(manifest) }, { valueOctets: 2000 })
  writeFileSync(join(signatures, digestOf(manifest).slice(7)), tooLong)
  const single = writeLayout(join(folder, 'single'), [entryOf(manifest)], [manifest])

  const cases: [args: string[], place: string][] = [
    [['--digest', digest, '--output', output], output],
    [['--all', '--oci-layout', single, '--output', tree], tree],
  ]
  for (const [args, place] of cases) {
    const { status, stderr } = signWithShortFiles(args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, new RegExp(`^lookaside: configuration: ${place}.* cannot be written: EFBIG`, 'm'))
    assert.match(stderr, /^lookaside: the signature could not be kept: /m)
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('signature-')),
    [],
  )
  for (const [args] of cases) assert.equal((await sign(args)).code, 0)
  assert.deepEqual(readFileSync(output), blob)
  const [staged] = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /-\d$/.test(name),
  )
  assert.match(staged ?? '', /\/signature-1$/)

  const again = await sign(cases[0]?.[0] ?? [])
  assert.equal(again.code, 2)
  assert.match(again.stderr, /is there already/)
  assert.deepEqual(readFileSync(output), blob)
})

/** The same where no file gets longer than a kilobyte: what is longer is written in part, as on a full disk. */
function signWithShortFiles(args: string[]) {
  const program = join(import.meta.dirname, '../../src/lookaside.js')
  const command = [process.execPath, program, 'sign', exampleReference, '--signer-command', signer, ...args]
  const env = { PATH: process.env.PATH }
  return spawnSync('sh', ['-c', 'ulimit -f 1; exec "$@"', 'sh', ...command], {
    env,
    cwd: folder,
    encoding: 'utf8',
  })
}

test('a signature that nobody takes from standard output is kept', async () => {
  const cwd = temporaryFolder()
  const args = ['sign', exampleReference, '--signer-command', signer, '--digest', digest, '--output', '-']
  const child = spawn(process.execPath, [program, ...args], { cwd })
  child.stdout.destroy()
  const said = text(child.stderr)
  assert.deepEqual(await once(child, 'close'), [3, null])
  const [kept = '?'] = readdirSync(cwd)
  assert.match(await said, new RegExp(`^lookaside: the signature is in ${kept}; upload it with push\\n`))
  assert.deepEqual(readFileSync(join(cwd, kept)), readFileSync(join(signatures, digest.slice(7))))
})
