import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { answersIn, receive } from '../abuse/answers.ts'
import { type Attack, attacks, heads, next, tails, whatIsWrong } from '../abuse/smuggling.ts'
import { freePort } from '../free-port.ts'
import { frontConfiguration } from './front-configuration.ts'
import { startLookaside } from './lookaside.ts'
import { runNginx } from './nginx.ts'
import { workFolder } from './program.ts'
import { newCertificate } from './registry.ts'

/**
 * The configuration of packaging/ opens a connection for each request; here all share one, as operators may have it: who
 * smuggles a request in there gets its answer to somebody else.
 */
test('behind nginx, with one connection for all clients, nobody gets an answer that is not theirs', async (t) => {
  const folder = workFolder()
  const publicPort = await freePort()
  const listen = `localhost:${await freePort()}`
  const server = await startLookaside(folder, { listen, tls: { mode: 'off' }, workers: 1 })
  const home = join(folder, 'front')
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, 'front')
  const configuration = frontConfiguration({
    'listen 443 ssl': `listen 127.0.0.1:${publicPort} ssl`,
    '/etc/nginx/server.crt': certificate,
    '/etc/nginx/server.key': key,
    '/data/tree': join(server.data, 'tree'),
    'lookaside:8080': 'shared',
  })
  const impatient = 'client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s;'
  const upstream = `upstream shared { server ${listen}; keepalive 1; keepalive_requests 100000; }`
  await runNginx(home, `access_log off; ${impatient} ${upstream} ${configuration}`)
  const ca = readFileSync(certificate)
  const open = async () => {
    const socket = connect({ host: 'localhost', port: publicPort, ca })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    return socket
  }
  const send = async (bytes: string) => {
    const socket = await open()
    const received = receive(socket)
    socket.write(Buffer.from(bytes, 'latin1'))
    return received
  }

  const wrong: string[] = []
  const counts: Record<string, number> = {}
  // Names that nginx leaves out are none to anybody, and what comes behind the real length is a request.
  const isLeftOut = ({ bytes }: Attack) => bytes.includes('Transfer-Encodin\xc7')
  const all = [...attacks(await server.token('push:**')), ...heads, ...tails].filter((one) => !isLeftOut(one))
  const one = async (index: number, attack: Attack) => {
    const received = await send(attack.bytes + next)
    // nginx answers HTTP/0.9 as HTTP/0.9, without a head.
    const { answers, rest } = answersIn(received)
    const problem = whatIsWrong(attack, answers, rest.startsWith('<html>') ? '' : rest, { byProxy: true })
    if (problem) wrong.push(`${attack.name}: ${problem}`)
    const statuses = answers.map(({ status }) => status).join(' ')
    counts[statuses] = (counts[statuses] ?? 0) + 1
    const victim = `victim-${index}`
    const asked = `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${victim}\r\nConnection: close\r\n\r\n`
    const theirs = answersIn(await send(asked)).answers
    const got = theirs.map(({ status, headers }) => `${status} ${headers['x-request-id']}`)
    if (got.join() !== `200 ${victim}`) wrong.push(`${attack.name}: somebody else got ${got.join()}`)
  }
  const left = all.entries()
  const worker = async () => {
    for (const [index, attack] of left) await one(index, attack)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  assert.deepEqual(wrong, [])
  t.diagnostic(`${all.length} attacks through nginx: ${JSON.stringify(counts)}`)
  assert.equal(await server.stop(), 0)
})
