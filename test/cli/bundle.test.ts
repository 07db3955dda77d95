import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSignature } from '../../src/signature/signature.ts'
import { filesOf } from '../bundle/archives.ts'
import { newCourier } from '../bundle/courier.ts'
import { newStore } from '../bundle/stores.ts'
import { fixture } from '../openpgp/fixture.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside, type Ran } from './run.ts'

const server = await testServer()
const token = await server.token('push:**')
const folder = temporaryFolder()
const digests = ['a', 'b', 'c'].map(exampleDigest)
for (const digest of digests)
  assert.equal(
    (await ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob({ digest }) })).status,
    201,
  )

const file = (name: string) => join(folder, name)
const exported = (output: string, ...args: string[]) =>
  lookaside(['export', '--data', server.data, '--output', output, ...args])
const imported = (data: string, path: string, ...args: string[]) =>
  lookaside(['import', '--data', file(data), path, ...args])

function ended({ code, stdout, stderr }: Ran, expected: number): void {
  assert.equal(code, expected, `${stdout}${stderr}`)
}

test('a bundle is written beside a running server, and says where the next one goes on', async () => {
  const outcome = await exported(file('all.tar.zst'))
  ended(outcome, 0)
  assert.equal(
    outcome.stdout,
    `${file('all.tar.zst')}: 3 signatures and 0 withdrawals, all up to change 3; next time: --since 3\n`,
  )
  const { stdout } = await exported(file('later.tar.gz'), '--since', '2', '--json')
  const { epoch, ...document } = JSON.parse(stdout)
  assert.match(epoch, /^[0-9a-f]{32}$/)
  assert.deepEqual(document, {
    output: file('later.tar.gz'),
    scope: 'since',
    from: 2,
    to: 3,
    signatures: 1,
    withdrawals: 0,
    signed: false,
  })
  writeFileSync(file('images.txt'), `team/app@${digests[0]}\n`)
  const some = await exported(file('images.tar'), '--images', file('images.txt'))
  assert.match(some.stdout, /1 signatures and 0 withdrawals, of the images in the list up to change 3\n$/)
  const starts = ['all.tar.zst', 'later.tar.gz'].map((name) => readFileSync(file(name)).toString('hex', 0, 2))
  assert.deepEqual(starts, ['28b5', '1f8b'])
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
  )
})

test('a bundle is imported from a file, and from standard input, and tells what became of it', async () => {
  const outcome = await imported('target', file('all.tar.zst'))
  ended(outcome, 0)
  assert.equal(outcome.stdout, 'whole up to change 3: 3 added, 0 already there, 0 removed, 0 left out\n')
  const bundle = await exported('-', '--compression', 'none', '--json')
  assert.equal(JSON.parse(bundle.stderr).output, '-')
  ended(await exported(file('plain.tar')), 0)
  const child = spawn(
    'sh',
    [
      '-c',
      '"$1" "$2" import --data "$3" - --json < "$4"',
      'sh',
      process.execPath,
      join(import.meta.dirname, '../../src/lookaside.js'),
      file('target'),
      file('plain.tar'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  assert.deepEqual(await once(child, 'close'), [0, null])
  const { added, present, leftOut, signedBy } = JSON.parse(Buffer.concat(chunks).toString())
  assert.deepEqual([added, present, leftOut, signedBy], [0, 3, 0, null])
})

test('what a policy does not admit is left out by name, and the answer is no', async () => {
  const policy = file('closed.json')
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }] }))
  const args = ['import', '--data', file('closed'), file('all.tar.zst')]
  const outcome = await lookaside(args, { env: { LOOKASIDE_POLICY: policy } })
  ended(outcome, 1)
  assert.match(outcome.stdout, /^left out team\/app@sha256:a{64} \(identity [0-9a-f]{16}\): not-trusted: /)
  assert.match(outcome.stdout, /0 added, 0 already there, 0 removed, 3 left out\n$/)
  const json = await lookaside([...args, '--json'], { env: { LOOKASIDE_POLICY: policy } })
  assert.deepEqual(JSON.parse(json.stdout).reasons, { 'not-trusted': 3 })
})

test('a bundle that is damaged, older, behind a gap or not signed as required ends with 1 and a sentence', async () => {
  writeFileSync(file('cut.tar'), readFileSync(file('plain.tar')).subarray(0, 4000))
  const damaged = await imported('damaged', file('cut.tar'))
  ended(damaged, 1)
  assert.match(damaged.stderr, /The bundle cannot be used: it is cut off/)

  const gap = await imported('gap', file('later.tar.gz'))
  ended(gap, 1)
  assert.match(gap.stderr, /changes 1 to 2 are missing/)

  const store = newStore()
  await store.upload()
  writeFileSync(file('one.tar'), await store.bundle())
  await store.upload()
  writeFileSync(file('two.tar'), await store.bundle())
  ended(await imported('older', file('two.tar')), 0)
  const older = await imported('older', file('one.tar'))
  ended(older, 1)
  assert.match(older.stderr, /^lookaside: bundle-older: .*--allow-older imports it all the same/)
  ended(await imported('older', file('one.tar'), '--allow-older'), 0)

  writeFileSync(file('key.asc'), fixture('key.asc'))
  const unsigned = await imported('unsigned', file('all.tar.zst'), '--require-signature', file('key.asc'))
  ended(unsigned, 1)
  assert.match(unsigned.stderr, /it is not signed/)
  writeFileSync(file('signature'), newBlob())
  const noBundle = await imported('unsigned', file('signature'), '--require-signature', file('key.asc'))
  ended(noBundle, 1)
  assert.match(noBundle.stderr, /is no bundle/)
  ended(await imported('unsigned', file('all.tar.zst'), '--require-signature', file('none.asc')), 2)
  ended(await imported('unsigned', file('signature')), 0)
})

test('a bundle that would take most away is held, and taken where that is accepted', async () => {
  const store = newStore()
  for (let count = 0; count < 12; count++) await store.upload()
  writeFileSync(file('twelve.tar'), await store.bundle())
  await store.withdraw(1, 2, 3, 4, 5, 6, 7)
  writeFileSync(file('five.tar'), await store.bundle())
  ended(await imported('held', file('twelve.tar')), 0)
  const held = await imported('held', file('five.tar'))
  ended(held, 1)
  assert.match(held.stderr, /take away 7 of the 12 signatures .*--accept-removals/)
  const accepted = await imported('held', file('five.tar'), '--accept-removals')
  ended(accepted, 0)
  assert.match(accepted.stdout, /5 already there, 7 removed/)
})

test('whose key signed bundles of a log signs all later ones, until it is given up', async () => {
  const store = newStore()
  await store.upload()
  const [courier, next] = [await newCourier('courier'), await newCourier('next')]
  writeFileSync(file('courier.asc'), courier.publicKey)
  writeFileSync(file('next.asc'), next.publicKey)
  const bundle = await store.bundle()
  writeFileSync(file('unsigned.tar'), bundle)
  writeFileSync(file('courier.tar'), await courier.sign(bundle))
  writeFileSync(file('next.tar'), await next.sign(bundle))
  const required = (...keyrings: string[]) =>
    keyrings.flatMap((keyring) => ['--require-signature', file(keyring)])
  ended(await imported('signed', file('courier.tar'), ...required('courier.asc')), 0)

  const unsigned = await imported('signed', file('unsigned.tar'))
  ended(unsigned, 1)
  assert.match(unsigned.stderr, new RegExp(`were signed by ${courier.fingerprint}`))
  ended(await imported('signed', file('next.tar'), ...required('next.asc')), 1)
  ended(await imported('signed', file('unsigned.tar'), '--new-signer'), 2)
  ended(await imported('signed', file('next.tar'), ...required('next.asc'), '--new-signer'), 0)
  const back = await imported('signed', file('courier.tar'), ...required('courier.asc', 'next.asc'))
  ended(back, 0)
  assert.match(back.stderr, new RegExp(`by ${next.fingerprint} until now`))
  assert.match(back.stdout, new RegExp(`^signed by ${courier.fingerprint}$`, 'm'))
})

test('options that make no sense together are refused before anything is written', async () => {
  const refused: [args: string[], reason: RegExp][] = [
    [['--since', 'x'], /number of a change/],
    [['--since', '99'], /the log ends at change 3/],
    [['--since', '1', '--images', file('none')], /one of --since and --images/],
    [['--images', file('none')], /cannot be read/],
    [['--from-registry'], /are for --images/],
    [['--layout', 'digest', '--configmap'], /one of --layout and --configmap/],
    [['--base', 'x'], /is for --layout digest/],
    [['--layout', 'repository', '--sign-by', 'me'], /are for bundles/],
    [['--configmap', '--since', '1'], /are for bundles/],
    [['--compression', 'xz'], /Allowed choices/],
  ]
  for (const [args, reason] of refused) {
    const outcome = await exported(file('refused'), ...args)
    ended(outcome, 2)
    assert.match(outcome.stderr, reason)
    assert.equal(existsSync(file('refused')), false)
  }
  ended(await exported('/dev/null'), 2)
  ended(await exported(folder), 2)
  assert.equal((await lookaside(['export', '--data', file('nowhere'), '--output', file('x')])).code, 2)
  for (const option of [['--prefix', 'x'], ['--accept-removals'], ['--allow-older']])
    ended(await imported('target', file('signature'), ...option), 2)
})

test('a bundle that cannot be written is named as it was asked for, and before anything is read for it', async () => {
  const nowhere = ['export', '--data', file('nowhere'), '--output']
  for (const [output, reason] of [
    [file('nodir/x.tar'), 'cannot be written to its folder: ENOENT: no such file or directory'],
    [file('all.tar.zst/x.tar'), 'cannot be written: ENOTDIR: not a directory'],
  ] as const)
    assert.deepEqual(await lookaside([...nowhere, output]), {
      code: 2,
      stdout: '',
      stderr: `lookaside: configuration: ${output} ${reason}\n`,
    })
  // It seems to be writable, and is not.
  const { code, stderr } = await exported('/proc/x.tar')
  assert.equal(code, 2)
  assert.equal(
    stderr,
    'lookaside: configuration: /proc/x.tar cannot be written: ENOENT: no such file or directory\n',
  )
})

test('a list of images is read in any form of reference that has a digest', async () => {
  const list = file('images.txt')
  writeFileSync(
    list,
    `# releases\n\nregistry.example.com/team/app@${digests[0]}\r\nregistry.example.com/team/app:1.0@${digests[2]}\n`,
  )
  const outcome = await exported(file('some.tar'), '--images', list)
  ended(outcome, 0)
  assert.match(outcome.stdout, /2 signatures and 0 withdrawals, of the images in the list up to change 3/)
  assert.equal(filesOf(readFileSync(file('some.tar'))).length, 4)
  for (const [line, reason] of [
    ['registry.example.com/team/app:1.0', /line 1: it names no digest/],
    ['registry.example.com/Team/App', /line 1: /],
    ['# nothing', /names no image/],
  ] as const) {
    writeFileSync(list, line)
    const refused = await exported(file('none.tar'), '--images', list)
    ended(refused, 2)
    assert.match(refused.stderr, reason)
  }
})

test('folders and ConfigMaps are written as well', async () => {
  const { stdout } = await exported(file('tree'), '--layout', 'repository')
  assert.equal(stdout, `${file('tree')}: 3 signatures of 3 digests\n`)
  assert.deepEqual(readdirSync(file('tree/team')).length, 3)
  ended(await exported(file('tree'), '--layout', 'repository'), 2)
  const json = await exported(file('view'), '--layout', 'digest', '--base', 'openshift/release', '--json')
  assert.deepEqual(JSON.parse(json.stdout), { output: file('view'), digests: 3, signatures: 3, warnings: [] })
  ended(await exported(file('maps.yaml'), '--configmap'), 0)
  assert.equal(readFileSync(file('maps.yaml'), 'utf8').match(/^kind: ConfigMap$/gm)?.length, 3)
  const piped = await exported('-', '--configmap')
  assert.equal(piped.stdout, readFileSync(file('maps.yaml'), 'utf8'))
  assert.equal(piped.stderr, '-: 3 signatures of 3 digests\n')
})

test('an image is verified by the signatures in a bundle', async () => {
  const store = newStore()
  const { digest } = readSignature(fixture('ed25519.pgp')).claim
  await store.upload(newBlob({ digest }))
  await store.upload(fixture('ed25519.pgp'))
  writeFileSync(file('signed.tar'), await store.bundle())
  const verify = (image: string, bundle: string, ...args: string[]) =>
    lookaside(['verify', image, '--keys', file('key.asc'), '--bundle', bundle, ...args])
  const passed = await verify(`registry.example.com/team/app:1.0@${digest}`, file('signed.tar'))
  ended(passed, 0)
  assert.match(passed.stdout, /passed\n$/)
  const other = await verify(`registry.example.com/team/app@${digests[0]}`, file('signed.tar'))
  ended(other, 1)
  ended(await verify(`registry.example.com/team/app@${digests[0]}`, file('cut.tar')), 1)
  ended(await verify(`registry.example.com/team/app@${digests[0]}`, file('nowhere.tar')), 2)
  ended(
    await verify(`registry.example.com/team/app@${digests[0]}`, file('signed.tar'), '--tree', file('tree')),
    2,
  )
  symlinkSync('loop', file('loop'))
  // The second is a file in which nothing can be read at its beginning, even by root.
  for (const [bundle, reason] of [
    [file('loop'), 'ELOOP'],
    ['/proc/self/mem', 'EIO'],
  ] as const) {
    const unreadable = await verify(`registry.example.com/team/app@${digest}`, bundle, '--wait', '1m')
    ended(unreadable, 2)
    assert.match(
      unreadable.stderr,
      new RegExp(`^lookaside: configuration: ${bundle} cannot be read: ${reason}`),
    )
  }
})
