import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readCertificate, tlsOptions } from '../../src/tls/certificate-files.ts'
import { generateKey, issueServerCertificate, readKeyPair } from '../../src/tls/certificates.ts'
import { parseServerName, type ServerName } from '../../src/tls/names.ts'
import { ensurePrivateCa, type PrivateCa } from '../../src/tls/private-ca.ts'
import { get, openConnection, startServer } from './handshake.ts'

const now = new Date()
const day = 24 * 60 * 60 * 1000
const files = ['ca.crt', 'ca.key', 'server.crt', 'server.key'] as const

function after(days: number): Date {
  return new Date(now.getTime() + days * day)
}

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lookaside-tls-'))
  t.after(() => rm(directory, { recursive: true }))
  return join(directory, 'tls')
}

function ensure(
  directory: string,
  change: { names?: string[]; hostName?: string; now?: Date } = {},
): Promise<PrivateCa> {
  return ensurePrivateCa({ directory, names: [], hostName: 'builder', now, ...change })
}

async function contents(directory: string): Promise<Record<string, string>> {
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))
  return Object.fromEntries(files.map((name, index) => [name, texts[index] ?? '']))
}

/** Connects to a server with this certificate as each name; throws what the client throws. */
async function connectAs(pair: { cert: string; key: string }, ca: string, names: string[]): Promise<void> {
  const { server, port } = await startServer({ ...tlsOptions, ...pair })
  try {
    for (const name of names) {
      const socket = await openConnection(port, ca, name)
      assert.equal(await get(socket), 'ok')
      socket.destroy()
    }
  } finally {
    server.close()
  }
}

test('a client that trusts ca.crt alone reaches the server by each of its names', async (t) => {
  const own = parseServerName(hostname())
  const ca = await ensure(await folder(t), { names: ['Sigs.Example.com', '192.0.2.7'], hostName: hostname() })
  assert.equal(ca.authority, 'created')
  assert.equal(ca.reason, undefined)
  const names = [
    'localhost',
    '127.0.0.1',
    '::1',
    'sigs.example.com',
    '192.0.2.7',
    ...(own ? [own.value] : []),
  ]
  assert.deepEqual(new Set(ca.names), new Set(names))
  await connectAs(await readCertificate(ca), ca.ca, names)
})

test('what the CA signs for other names is refused by clients', async (t) => {
  const directory = await folder(t)
  const held = await ensure(directory, { names: ['sigs.example.com'] })
  const text = await contents(directory)
  const ca = readKeyPair(text['ca.crt'] ?? '', text['ca.key'] ?? '')
  assert.ok(ca)
  for (const name of [
    'evil.example',
    'example.com',
    'evil-sigs.example.com',
    'a.sigs.example.com',
    '127.0.0.2',
    '::2',
  ]) {
    const key = await generateKey()
    const certificate = await issueServerCertificate({
      ca,
      key,
      names: [parseServerName(name) as ServerName],
      now,
    })
    const pair = {
      cert: certificate.toString('pem'),
      key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    }
    await assert.rejects(connectAs(pair, held.ca, [name]), /subtree violation/, name)
  }
})

test('keys are readable by their owner alone', async (t) => {
  const directory = await folder(t)
  await ensure(directory)
  for (const name of files) {
    const { mode } = await stat(join(directory, name))
    assert.equal(mode & 0o077, name.endsWith('.key') ? 0 : mode & 0o044, name)
  }
})

test('called again it changes nothing', async (t) => {
  const directory = await folder(t)
  await ensure(directory, { names: ['sigs.example.com', 'other.example.com'] })
  const before = await contents(directory)
  const again = await ensure(directory, { names: ['sigs.example.com'], now: after(59) })
  assert.equal(again.authority, 'kept')
  assert.equal(again.issued, false)
  assert.deepEqual(await contents(directory), before)
})

test('the server certificate is renewed a month before it ends, under the same CA', async (t) => {
  const directory = await folder(t)
  const first = await ensure(directory)
  const before = await contents(directory)
  assert.ok(Math.abs(first.renewAt.getTime() - after(60).getTime()) < 2000)
  const renewed = await ensure(directory, { now: after(61) })
  assert.equal(renewed.authority, 'kept')
  assert.equal(renewed.issued, true)
  const later = await contents(directory)
  assert.equal(later['ca.crt'], before['ca.crt'])
  assert.notEqual(later['server.key'], before['server.key'])
})

test('the CA is renewed a year before it ends, and clients that hold the older copy go on trusting it', async (t) => {
  const directory = await folder(t)
  await ensure(directory, { names: ['sigs.example.com'] })
  const before = await contents(directory)
  const older = join(directory, '..', 'older-ca.crt')
  await cp(join(directory, 'ca.crt'), older)
  const renewed = await ensure(directory, { names: ['sigs.example.com'], now: after(3650 - 364) })
  assert.equal(renewed.authority, 'renewed')
  const text = await contents(directory)
  assert.notEqual(text['ca.crt'], before['ca.crt'])
  assert.equal(text['ca.key'], before['ca.key'])
  const ca = readKeyPair(text['ca.crt'] ?? '', text['ca.key'] ?? '')
  assert.ok(ca)
  const key = createPrivateKey(text['server.key'] ?? '')
  const names = [parseServerName('sigs.example.com') as ServerName]
  const certificate = await issueServerCertificate({ ca, key, names, now })
  const pair = { cert: certificate.toString('pem'), key: text['server.key'] ?? '' }
  await connectAs(pair, older, ['sigs.example.com'])
})

test('a certificate from a time when the clock was wrong is replaced', async (t) => {
  const directory = await folder(t)
  await ensure(directory, { now: after(365) })
  const corrected = await ensure(directory)
  assert.equal(corrected.authority, 'renewed')
  assert.equal(corrected.issued, true)
  await connectAs(await readCertificate(corrected), corrected.ca, ['localhost'])
})

test('a name that the CA does not permit makes a new CA, and says so', async (t) => {
  const directory = await folder(t)
  await ensure(directory, { names: ['sigs.example.com'] })
  const wider = await ensure(directory, { names: ['sigs.example.com', 'a.sigs.example.com'] })
  assert.equal(wider.authority, 'created')
  assert.match(wider.reason ?? '', /does not permit a\.sigs\.example\.com/)
  await connectAs(await readCertificate(wider), wider.ca, ['a.sigs.example.com', 'sigs.example.com'])
})

test('another host name alone makes no new CA, so that a container may be made anew', async (t) => {
  const directory = await folder(t)
  await ensure(directory, { hostName: 'f00d' })
  const before = await contents(directory)
  const moved = await ensure(directory, { hostName: 'beef' })
  assert.equal(moved.authority, 'kept')
  assert.equal(moved.unnamedHost, 'beef')
  assert.deepEqual(await contents(directory), before)
  const back = await ensure(directory, { hostName: 'f00d', now: after(61) })
  assert.equal(back.unnamedHost, undefined)
  assert.ok(back.names.includes('f00d'))
})

test('a host name that DNS cannot hold is left out', async (t) => {
  const ca = await ensure(await folder(t), { hostName: 'my_host' })
  assert.deepEqual(ca.names, ['localhost', '127.0.0.1', '::1'])
  assert.equal(ca.unnamedHost, undefined)
})

test('a name that is no name stops it before anything is written', async (t) => {
  const directory = await folder(t)
  await assert.rejects(
    ensure(directory, { names: ['*.example.com'] }),
    /neither a DNS name nor an IP address/,
  )
  await assert.rejects(readdir(directory), /ENOENT/)
})

test('every mixture of two states of the folder, as a crash may leave it, heals', async (t) => {
  const directory = await folder(t)
  const states: Record<string, string | undefined>[] = [{}]
  await ensure(directory)
  states.push(await contents(directory), {
    ...(await contents(directory)),
    'server.crt': 'cut sho',
    'ca.crt': '',
  })
  await ensure(directory, { names: ['sigs.example.com'] })
  states.push(await contents(directory))
  for (const [index, one] of states.entries()) {
    for (const other of states.slice(index + 1)) {
      for (let taken = 0; taken < 2 ** files.length; taken++) {
        await fill(directory, (name, bit) => (taken & (1 << bit) ? one : other)[name])
        const healed = await ensure(directory)
        const { cert, key } = await readCertificate(healed)
        const leaf = readKeyPair(cert, key)
        const text = await contents(directory)
        const ca = readKeyPair(text['ca.crt'] ?? '', text['ca.key'] ?? '')
        assert.ok(leaf && ca && (await leaf.certificate.verify({ publicKey: ca.certificate, date: now })))
      }
    }
  }
})

async function fill(
  directory: string,
  content: (name: string, bit: number) => string | undefined,
): Promise<void> {
  for (const [bit, name] of files.entries()) {
    const text = content(name, bit)
    if (text === undefined) await rm(join(directory, name), { force: true })
    else await writeFile(join(directory, name), text)
  }
}

test('what a call that was killed had not finished writing is written over', async (t) => {
  const directory = await folder(t)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, '.ca.key.new'), 'half a key')
  await ensure(directory)
  assert.deepEqual((await readdir(directory)).sort(), [...files].sort())
})

test('a lost key of the CA makes a new CA, and says so', async (t) => {
  const directory = await folder(t)
  await ensure(directory)
  await rm(join(directory, 'ca.key'))
  const before = await readFile(join(directory, 'ca.crt'), 'utf8')
  const healed = await ensure(directory)
  assert.equal(healed.authority, 'created')
  assert.match(healed.reason ?? '', /damaged or do not belong together/)
  // What clients trust so far can still be looked up.
  assert.deepEqual((await readdir(directory)).sort(), [...files, 'ca.crt.old'].sort())
  assert.equal(await readFile(join(directory, 'ca.crt.old'), 'utf8'), before)
})

test('a file that is there but cannot be read is an error, not a reason for a new CA', async (t) => {
  const directory = await folder(t)
  await ensure(directory)
  const before = await readFile(join(directory, 'ca.crt'), 'utf8')
  await rm(join(directory, 'ca.key'))
  await mkdir(join(directory, 'ca.key'))
  await assert.rejects(ensure(directory), /EISDIR/)
  assert.equal(await readFile(join(directory, 'ca.crt'), 'utf8'), before)
})
