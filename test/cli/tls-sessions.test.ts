import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { ensurePrivateCa } from '../../src/tls/private-ca.ts'
import { eventually } from '../eventually.ts'
import { spawnServer } from '../process.ts'
import { temporaryFolder } from '../temporary.ts'

/** So many connections that each of two workers has some. */
const many = 40

test('a session is resumed by any worker, and after the certificate was renewed', async (t) => {
  const directory = join(temporaryFolder(), 'tls')
  const renew = (now: Date) => ensurePrivateCa({ directory, names: [], hostName: '', now })
  // It is due for renewal by now.
  const { ca, cert, key } = await renew(new Date(Date.now() - 61 * 86_400_000))
  const files = ['--tls', 'files', '--tls-cert', cert, '--tls-key', key]
  const server = await spawnServer(temporaryFolder(), ...files, '--workers', '2')
  t.after(() => server.end('SIGTERM'))

  /** Connects, asks for something and leaves. */
  const visit = async (session?: Buffer) => {
    const socket = connect({
      port: server.port,
      host: '127.0.0.1',
      ca: readFileSync(ca),
      ...(session && { session }),
    })
    let ticket: Buffer | undefined
    socket.on('session', (given) => {
      ticket = given
    })
    await once(socket, 'secureConnect')
    const seen = { isResumed: socket.isSessionReused(), served: fingerprintOf(socket) }
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    return { ...seen, session: ticket }
  }
  const first = await visit()
  assert.equal(first.isResumed, false)
  const resumed = async () => {
    const visits = await Promise.all(Array.from({ length: many }, () => visit(first.session)))
    return visits.filter(({ isResumed }) => isResumed).length
  }
  assert.equal(await resumed(), many)

  await renew(new Date())
  await eventually(async () => {
    const visits = await Promise.all(Array.from({ length: many }, () => visit()))
    return visits.every(({ served }) => served !== first.served)
  })
  assert.equal(await resumed(), many)
})

const fingerprintOf = (socket: TLSSocket) => socket.getPeerCertificate().fingerprint256
