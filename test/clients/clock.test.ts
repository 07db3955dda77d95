import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { servedBy } from '../mirror/servers.ts'
import { newSigningKey } from '../mirror/signing-key.ts'
import { type ServerProcess, spawnServerIn } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { atEnd, succeed, workFolder } from './program.ts'

const folder = workFolder()
const library = (await succeed('dpkg', ['-L', 'libfaketime']))
  .split('\n')
  .find((line) => line.endsWith('/libfaketimeMT.so.1')) as string
const clock = join(folder, 'clock')
const year = 365 * 86_400

/** All servers started here see the clock as so many seconds ahead of what it is. */
const setClock = (ahead: number) => writeFileSync(clock, `${ahead < 0 ? '' : '+'}${ahead}s\n`)
const variables = {
  LD_PRELOAD: library,
  FAKETIME_TIMESTAMP_FILE: clock,
  FAKETIME_NO_CACHE: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  LOOKASIDE_WITHDRAW_GRACE_SECONDS: '1',
}

async function serve(data: string, ...options: string[]): Promise<ServerProcess> {
  const server = await spawnServerIn(variables, data, ...options)
  atEnd(() => server.end('SIGKILL'))
  return server
}

const digest = exampleDigest('a')
const path = (slot: number) => `/signatures/team/app@${digest.replace(':', '=')}/signature-${slot}`

for (const [how, jumps] of [
  ['forwards by a year and back', [year, 0]],
  ['backwards by a year and forwards', [-year, 0]],
] as const)
  for (const isRunning of [true, false])
    test(`the clock jumps ${how}, ${isRunning ? 'while servers run' : 'between two starts'}: no slot's date goes back, and nothing stalls`, async () => {
      setClock(0)
      const name = `${jumps[0]}-${isRunning}`
      const [data, copy] = [join(folder, name), join(folder, `${name}-copy`)]
      const token = await newToken(data, [{ action: 'admin' }])
      const key = newSigningKey(folder, name)
      const port = await freePort()
      const config = join(folder, `${name}.yaml`)
      const from = `http://127.0.0.1:${port}/signatures`
      writeFileSync(config, JSON.stringify({ mirrors: [{ from, policy: key.policy, every: '1s' }] }))
      const start = () =>
        Promise.all([serve(data, '--listen', `127.0.0.1:${port}`), serve(copy, '--config', config)])
      let [server, mirror] = await start()

      let tag = 0
      const upload = async () => {
        const body = key.sign(tag++, { digest })
        const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body })
        assert.equal(answer.status, 201, answer.body.toString())
      }
      const storage = openSqlite({ dataFolder: data })
      const location = { kind: 'repository' as const, name: 'team/app' as never, digest }
      /** What the tree shows as the time of its file too; where the clock is behind it, the server sends the time that it is. */
      const dateOfFirst = async () => (await storage.slots(location))[0]?.modified as number
      /** Whether a client that has what was there at this date is told of what is there now. */
      const isTold = async (since: string) => {
        const headers = { 'if-modified-since': since }
        return (await ask(server, 'GET', path(1), { headers })).status === 200
      }
      const inStep = () =>
        eventually(async () => {
          const [here, there] = [await servedBy(server), await servedBy(mirror)]
          return here.join() === there.join()
        })

      await upload()
      await upload()
      await inStep()
      for (const jump of jumps) {
        if (!isRunning) for (const each of [server, mirror]) assert.equal(await each.end('SIGTERM'), 0)
        setClock(jump)
        if (!isRunning) [server, mirror] = await start()
        const before = await dateOfFirst()
        const shown = String((await ask(server, 'GET', path(1))).headers['last-modified'])
        // The last signature takes the place of the first, which clients must see as newer.
        await upload()
        const all = (await ask(server, 'GET', '/api/v1/signatures?repository=team/app')).json().signatures
        const { id } = (all as { id: number; slot: number }[]).find(({ slot }) => slot === 1) ?? { id: 0 }
        const order = `/api/v1/signatures/${id}?reason=test`
        assert.equal((await ask(server, 'DELETE', order, { token })).status, 200)
        assert.ok((await dateOfFirst()) > before)
        assert.ok(await isTold(shown))
        await inStep()
      }
      // Each grace has ended: no signature has two slots.
      await eventually(async () => {
        const live = (await servedBy(server)).length
        return (await ask(server, 'GET', path(live + 1))).status === 404
      })
      const metrics = (await ask(server, 'GET', '/metrics')).body.toString()
      for (const line of metrics.split('\n'))
        if (/^lookaside_(?:tree|mirror|request)\S*seconds\S* /.test(line))
          assert.ok(Number(line.split(' ').at(-1)) >= 0, line)

      const { seq } = await storage.head()
      await eventually(async () => (await readPosition(treeOf(data)))?.seq === seq)
      for (const each of [server, mirror]) assert.equal(await each.end('SIGTERM'), 0)
      const report = await fsck(storage, { tree: treeOf(data), repair: true, onProgress: () => {} })
      await storage.close()
      assert.deepEqual(report.damage, [])
    })

test('a token and a certificate go by the clock as it is, and say so', async () => {
  setClock(0)
  const data = join(folder, 'dates')
  const token = await newToken(data, [{ action: 'admin' }], { expires: Date.now() + 86_400_000 })
  const server = await serve(data)
  const upload = () => ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob({ digest }) })
  assert.equal((await upload()).status, 201)
  setClock(year)
  const refused = await upload()
  assert.equal(refused.status, 401)
  assert.match(refused.json().detail, /expired/)
  setClock(0)
  assert.equal((await upload()).status, 201)
  assert.equal(await server.end('SIGTERM'), 0)
  assert.ok(existsSync(data))
})

test('the clock jumps by a year: certificates are made for it at once, and clients that know the first CA trust them', async () => {
  setClock(0)
  const data = join(folder, 'certificates')
  const server = await serve(data, '--tls', 'auto')
  const ca = readFileSync(join(data, 'tls/ca.crt'))
  const isValidIn = async (ahead: number) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, ca, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { valid_from, valid_to } = socket.getPeerCertificate()
    const now = Date.now() + ahead * 1000
    const isTrusted = ahead !== 0 || socket.authorized
    socket.destroy()
    return isTrusted && Date.parse(valid_from) <= now && now < Date.parse(valid_to)
  }
  for (const ahead of [0, year, 0, -year, 0]) {
    setClock(ahead)
    await eventually(() => isValidIn(ahead))
  }
  assert.equal(await server.end('SIGTERM'), 0)
})
