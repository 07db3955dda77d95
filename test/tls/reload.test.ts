import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { copyFile, cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { CertificateError, readCertificate, type ServerTlsOptions } from '../../src/tls/certificate-files.ts'
import { ensurePrivateCa, type PrivateCa } from '../../src/tls/private-ca.ts'
import { watchCertificate } from '../../src/tls/reload.ts'
import { get, openConnection, startServer } from './handshake.ts'

const everyMs = 5

type Files = { cert: string; key: string }

const now = new Date()
/** When a certificate was issued that is due for renewal now. */
const earlier = new Date(now.getTime() - 61 * 24 * 60 * 60 * 1000)

async function privateCa(
  t: TestContext,
): Promise<{ ca: PrivateCa; directory: string; renew: () => Promise<PrivateCa> }> {
  const directory = await mkdtemp(join(tmpdir(), 'lookaside-reload-'))
  t.after(() => rm(directory, { recursive: true }))
  const request = { directory: join(directory, 'tls'), names: [], hostName: '' }
  const renew = (): Promise<PrivateCa> => ensurePrivateCa({ ...request, now })
  return { ca: await ensurePrivateCa({ ...request, now: earlier }), directory, renew }
}

/** Watches the files and keeps what it is told; `change` and `failure` wait for one more of their kind. */
async function watch(t: TestContext, files: Files, onChange?: (options: ServerTlsOptions) => void) {
  const changes: ServerTlsOptions[] = []
  const failures: Error[] = []
  const told = new EventEmitter()
  const stop = watchCertificate({
    ...files,
    everyMs,
    serving: await readCertificate(files),
    onChange: (options) => {
      onChange?.(options)
      changes.push(options)
      told.emit('change')
    },
    onError: (error) => {
      failures.push(error)
      told.emit('failure')
    },
  })
  const keepAlive = setInterval(() => {}, 1000)
  t.after(() => {
    stop()
    clearInterval(keepAlive)
  })
  return { changes, failures, change: () => once(told, 'change'), failure: () => once(told, 'failure') }
}

test('a renewed certificate is served to new connections, while one that was open goes on', async (t) => {
  const { ca, renew } = await privateCa(t)
  const { server, port } = await startServer(await readCertificate(ca))
  t.after(() => server.close())
  const open = await openConnection(port, ca.ca, 'localhost')
  t.after(() => open.destroy())
  const served = open.getPeerCertificate().fingerprint256
  assert.equal(await get(open), 'ok')
  const { change } = await watch(t, ca, (options) => server.setSecureContext(options))
  const changed = change()
  await renew()
  await changed
  const fresh = await openConnection(port, ca.ca, 'localhost')
  t.after(() => fresh.destroy())
  assert.notEqual(fresh.getPeerCertificate().fingerprint256, served)
  assert.equal(await get(open), 'ok')
  assert.equal(await get(fresh), 'ok')
})

test('TLS 1.1 is not spoken, before and after a renewal', async (t) => {
  const { ca } = await privateCa(t)
  const options = await readCertificate(ca)
  const { server, port } = await startServer(options)
  t.after(() => server.close())
  for (const _ of ['before', 'after']) {
    const old = connect({
      port,
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException]
    assert.match(error.code ?? '', /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/)
    server.setSecureContext(options)
  }
})

test('a pair that does not match is told once, and what repairs it is served', async (t) => {
  const { ca, directory, renew } = await privateCa(t)
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
  await copyFile(ca.cert, files.cert)
  await copyFile(ca.key, files.key)
  const { changes, failures, change, failure } = await watch(t, files)
  await renew()
  const told = failure()
  // At once: a key that is half written is another failure.
  await copyFile(ca.key, `${files.key}.new`)
  await rename(`${files.key}.new`, files.key)
  await told
  const repaired = change()
  await copyFile(ca.cert, files.cert)
  await repaired
  assert.equal(failures.length, 1)
  assert.match(failures[0]?.message ?? '', /key\.pem is not the key of the certificate in .*cert\.pem/)
  assert.deepEqual(
    changes.map(({ cert }) => cert),
    [await readFile(ca.cert, 'utf8')],
  )
})

test('a swapped symbolic link, as Kubernetes renews a secret, is seen', async (t) => {
  const { ca, files, data, older, directory, renew } = await secret(t)
  const { changes, failures, change } = await watch(t, files)
  await renew()
  const changed = change()
  await symlink(join(directory, 'tls'), `${data}.new`)
  await rename(`${data}.new`, data)
  await changed
  const back = change()
  await symlink(older, `${data}.new`)
  await rename(`${data}.new`, data)
  await back
  const keys = [await readFile(ca.key, 'utf8'), await readFile(join(older, 'server.key'), 'utf8')]
  assert.deepEqual(
    changes.map(({ key }) => key),
    keys,
  )
  assert.deepEqual(failures, [])
})

test('files that vanish are told once, and the same ones coming back are no change', async (t) => {
  const { ca, files, data, directory, renew } = await secret(t)
  const { changes, failures, change, failure } = await watch(t, files)
  const told = failure()
  await rename(data, `${data}.aside`)
  await told
  await rename(`${data}.aside`, data)
  const changed = change()
  await renew()
  await symlink(join(directory, 'tls'), `${data}.new`)
  await rename(`${data}.new`, data)
  await changed
  assert.equal(failures.length, 1)
  assert.deepEqual(
    changes.map(({ key }) => key),
    [await readFile(ca.key, 'utf8')],
  )
})

/** A copy of the certificate behind a symbolic link, `data`, that can be swapped at once. */
async function secret(t: TestContext) {
  const made = await privateCa(t)
  const data = join(made.directory, 'data')
  const older = join(made.directory, 'older')
  await cp(join(made.directory, 'tls'), older, { recursive: true })
  await symlink(older, data)
  return { ...made, data, older, files: { cert: join(data, 'server.crt'), key: join(data, 'server.key') } }
}

test('files that cannot be served with are refused by name', async (t) => {
  const { ca, directory } = await privateCa(t)
  const junk = join(directory, 'junk.pem')
  await writeFile(junk, 'junk')
  const cases: [{ cert: string; key: string }, RegExp][] = [
    [{ cert: junk, key: ca.key }, /junk\.pem holds no certificate in PEM/],
    [{ cert: ca.cert, key: junk }, /junk\.pem holds no unencrypted private key in PEM/],
    [{ cert: ca.ca, key: ca.key }, /server\.key is not the key of the certificate in .*ca\.crt/],
    [{ cert: join(directory, 'none'), key: ca.key }, /none cannot be read: ENOENT/],
  ]
  for (const [files, message] of cases) {
    await assert.rejects(
      readCertificate(files),
      (error) => error instanceof CertificateError && message.test(error.message),
    )
  }
})
