import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { generateKey, issueCaCertificate } from '../../src/tls/certificates.ts'
import { ensurePrivateCa } from '../../src/tls/private-ca.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

const root = temporaryFolder()
const names = ['sigs.example.com']
const data = join(root, 'data')
mkdirSync(data)
const { ca } = await ensurePrivateCa({
  directory: join(data, 'tls'),
  names,
  hostName: 'host',
  now: new Date(),
})
const pem = readFileSync(ca, 'utf8').trimEnd().concat('\n')

const newFolder = () => mkdtempSync(join(root, 'folder-'))

function configFile(text: string): string {
  const file = join(newFolder(), 'lookaside.yaml')
  writeFileSync(file, `data: ${data}\n${text}`)
  return file
}

const clientConfig = (args: string[], env: Record<string, string> = {}) =>
  lookaside(['client-config', ...args], { env, cwd: root })

const document = async (args: string[], env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await clientConfig([...args, '--json'], env)
  assert.ok(stdout, stderr)
  return { code, ...(JSON.parse(stdout) as ClientConfig) }
}
interface ClientConfig {
  lookaside: string
  files: { path: string; content: string }[]
  written: string[]
  clashes: string[]
  notes: string[]
}

const local = [
  '--registry',
  'registry.example.com',
  '--config',
  configFile('publicUrl: https://sigs.example.com\n'),
]

test('it prints a script that puts both files on a client', async () => {
  const { code, stdout, stderr } = await clientConfig(local)
  assert.deepEqual([code, stderr], [0, ''])
  const client = newFolder()
  execFileSync('sh', ['-eu'], { input: stdout.replaceAll('/etc/containers', join(client, 'etc')) })
  const registriesD = readFileSync(
    join(client, 'etc/registries.d/lookaside-registry.example.com.yaml'),
    'utf8',
  )
  assert.deepEqual(parse(registriesD), {
    docker: { 'registry.example.com': { lookaside: 'https://sigs.example.com/signatures' } },
  })
  assert.equal(readFileSync(join(client, 'etc/certs.d/registry.example.com/lookaside.crt'), 'utf8'), pem)
  assert.doesNotMatch(stdout, /default-docker/)
  assert.match(stdout, /it can vouch for nothing but .*sigs\.example\.com/)
})

test('that clients will not get through is told beforehand', async () => {
  const reach = async (server: string, ...more: string[]) =>
    (await document(['--registry', 'quay.io', '--server', server, '--ca', ca, ...more])).notes.join()
  assert.match(await reach('https://localhost:8443'), /Only clients on this machine reach/)
  assert.match(
    await reach('https://other.example.com'),
    /The CA can vouch for .*, and so not for https:\/\/other/,
  )
  assert.match(await reach('https://sigs.example.com'), /^If .* keeps quay\.io under a prefix, give it/)
  assert.equal(await reach('https://sigs.example.com', '--prefix', 'quay'), '')
})

test('signers get a staging folder', async () => {
  const { files } = await document([...local, '--staging', 'to push'])
  const { docker } = parse(files[0]?.content ?? '')
  assert.deepEqual(docker['registry.example.com'], {
    lookaside: 'https://sigs.example.com/signatures',
    'lookaside-staging': `file://${root}/to%20push`,
  })
})

test('files are written for skopeo and podman, and those that differ are kept', async () => {
  const output = newFolder()
  const first = await clientConfig([...local, '--output', output])
  const [registriesD, certsD] = [
    'registries.d/lookaside-registry.example.com.yaml',
    'certs.d/registry.example.com/lookaside.crt',
  ]
  assert.equal(first.code, 0)
  assert.equal(first.stdout, `wrote ${join(output, registriesD)}\nwrote ${join(output, certsD)}\n`)
  assert.match(
    first.stderr,
    /skopeo --registries\.d .*\/registries\.d copy --src-cert-dir .*\/certs\.d\/registry\.example\.com/,
  )
  const again = await clientConfig([...local, '--output', output])
  assert.equal(again.stdout, first.stdout.replaceAll('wrote', 'kept'))

  writeFileSync(join(output, registriesD), '# mine\n')
  const refused = await clientConfig([...local, '--output', output])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /is there and differs: overwrite it with --force/)
  assert.equal(readFileSync(join(output, registriesD), 'utf8'), '# mine\n')
  assert.equal((await clientConfig([...local, '--output', output, '--force'])).code, 0)
  assert.match(readFileSync(join(output, registriesD), 'utf8'), /sigs\.example\.com/)
  assert.equal(readFileSync(join(output, certsD), 'utf8'), pem)
})

test('a folder that nothing can be written to is a mistake of the caller', async () => {
  const output = newFolder()
  const [registriesD, entry] = ['registries.d', 'registries.d/lookaside-registry.example.com.yaml']
  const told = async (output: string, reason: string) => {
    const { code, stdout, stderr } = await clientConfig([...local, '--output', output])
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.ok(stderr.startsWith(`lookaside: configuration: ${join(output, reason)}`), stderr)
  }
  writeFileSync(join(output, 'file'), '')
  await told(join(output, 'file'), `${registriesD} cannot be made: EEXIST`)
  await told('/proc/nowhere', `${registriesD} cannot be made: ENOENT`)
  mkdirSync(join(output, entry), { recursive: true })
  await told(output, `${entry} cannot be read: EISDIR`)

  const certs = newFolder()
  writeFileSync(join(certs, 'certs.d'), '')
  await told(certs, 'certs.d/registry.example.com/lookaside.crt cannot be read: ENOTDIR')
  const elsewhere = newFolder()
  symlinkSync('/proc', join(elsewhere, registriesD))
  await told(elsewhere, `${entry} cannot be written: ENOENT: no such file or directory\n`)
})

test('nothing is written beside a file that names the registry', async () => {
  const output = newFolder()
  mkdirSync(join(output, 'registries.d'))
  const site = (lookaside: string) =>
    writeFileSync(
      join(output, 'registries.d/site.yaml'),
      `docker:\n  registry.example.com:\n    lookaside: ${lookaside}\n`,
    )
  for (const lookaside of ['https://other.example.com', 'https://sigs.example.com/signatures']) {
    site(lookaside)
    const { code, stdout } = await clientConfig([...local, '--output', output, '--force'])
    assert.equal(code, 1)
    assert.match(stdout, /^registry\.example\.com is in site\.yaml: .*every pull fails/)
    assert.ok(!existsSync(join(output, 'registries.d/lookaside-registry.example.com.yaml')))
    assert.ok(!existsSync(join(output, 'certs.d')))
  }
})

test("clashes in a client's folder exit 1, and no script is printed that would make them", async () => {
  const folder = newFolder()
  writeFileSync(
    join(folder, 'site.yaml'),
    'docker:\n  registry.example.com:\n    lookaside: https://x\x1b[2J.example.com\n',
  )
  const { code, stdout } = await clientConfig([...local, '--registries-d', folder])
  assert.equal(code, 1)
  assert.match(stdout, /^site\.yaml cannot be understood/)
  assert.doesNotMatch(stdout, /cat >|\x1b/)
  assert.deepEqual([(await document([...local, '--registries-d', folder])).code], [1])

  writeFileSync(
    join(folder, 'site.yaml'),
    'docker:\n  registry.example.com/team:\n    lookaside: https://x.example.com\n',
  )
  const fine = await clientConfig([...local, '--registries-d', folder])
  assert.equal(fine.code, 0)
  assert.match(fine.stdout, /cat >/)
  assert.match(fine.stderr, /site\.yaml: registry\.example\.com\/team is read from https:\/\/x\.example\.com/)
  assert.equal((await clientConfig([...local, '--registries-d', join(folder, 'missing')])).code, 2)
})

test('an entry that a client has already is left out: a second one would fail every pull', async () => {
  const folder = newFolder()
  const lookaside = 'https://sigs.example.com/signatures'
  writeFileSync(join(folder, 'site.yaml'), `docker:\n  registry.example.com:\n    lookaside: ${lookaside}\n`)
  const { code, stdout, stderr } = await clientConfig([...local, '--registries-d', folder])
  assert.equal(code, 0)
  assert.match(stderr, /site\.yaml has this entry already/)
  assert.match(stdout, /is there already/)
  assert.doesNotMatch(stdout, /cat > .*registries\.d/)
  assert.match(stdout, /cat > .*certs\.d/)
  const { files } = await document([...local, '--registries-d', folder])
  assert.deepEqual(
    files.map(({ path }) => path),
    ['certs.d/registry.example.com/lookaside.crt'],
  )
})

test('a CA whose maker put a line break into a name adds no line to the script', async () => {
  const key = await generateKey()
  const hostile = { type: 'dns', value: 'x.example.com\ntouch pwned #' } as const
  const certificate = await issueCaCertificate({
    subject: 'CN=Lookaside private CA 0',
    key,
    names: [hostile],
    now: new Date(),
  })
  const file = join(newFolder(), 'ca.crt')
  writeFileSync(file, certificate.toString('pem'))
  const { code, stdout } = await clientConfig([
    '--registry',
    'quay.io',
    '--server',
    'https://x.example.com',
    '--ca',
    file,
  ])
  assert.equal(code, 0)
  assert.doesNotMatch(stdout, /^touch/m)
  assert.match(stdout, /x\.example\.com\\u\{a\}touch pwned/)
})
