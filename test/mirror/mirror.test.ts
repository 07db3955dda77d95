import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getCACertificates } from 'node:tls'
import { mirrorContext } from '../../src/app/admission.ts'
import { runMirror } from '../../src/mirror/mirror.ts'
import { newStatus } from '../../src/mirror/status.ts'
import type { Repository } from '../../src/reference/repository.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { lookaside } from '../cli/run.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { ask, testConfig, testServer } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { mirrorsOf, servedBy, serverAt, uploadTo, withdrawFrom } from './servers.ts'
import { mirrorOf, newSigningKey } from './signing-key.ts'

const folder = temporaryFolder()
const alice = newSigningKey(folder, 'alice')
const vendor = 'vendor' as Repository

test('what the source withdraws goes, unless it was uploaded here too', async () => {
  const source = await testServer()
  const server = await testServer({ mirrors: [mirrorOf(source.origin, alice)] })
  const shared = alice.sign('shared')
  const { id } = await uploadTo(source, shared)
  const gone = await uploadTo(source, alice.sign('gone'))
  await eventually(async () => (await servedBy(server)).length === 2)
  await uploadTo(server, shared)
  await withdrawFrom(source, id)
  await withdrawFrom(source, gone.id)
  await eventually(async () => (await servedBy(server)).length === 1)
  assert.deepEqual(await servedBy(source), [])
  await eventually(async () => (await mirrorsOf(server))[0]?.removed === 1)
})

test('a log that is another one is compared, and what is here already is not fetched again', async () => {
  const port = await freePort()
  const first = await serverAt(port)
  for (let tag = 0; tag < 20; tag++) await uploadTo(first, alice.sign(tag))
  const server = await testServer({ mirrors: [mirrorOf(first.origin, alice, { prefix: vendor })] })
  await eventually(async () => (await servedBy(server)).length === 20)
  await first.close()

  const storage = openSqlite({ dataFolder: first.data })
  await storage.renewEpoch()
  await storage.close()
  const again = await serverAt(port, { data: first.data })
  const { id } = await uploadTo(again, alice.sign('new', { digest: exampleDigest('b') }))
  await withdrawFrom(again, 1)
  await eventually(async () => {
    const [status] = await mirrorsOf(server)
    return status?.state === 'current' && status.added === 21 && status.removed === 1
  })
  const below = (await servedBy(again)).map((served) => `vendor/${served}`)
  assert.deepEqual(await servedBy(server), below)
  const [status] = await mirrorsOf(server)
  assert.deepEqual([status?.added, status?.present, status?.removed, status?.refused], [21, 0, 1, {}])

  // And from there on the log is followed.
  await withdrawFrom(again, id)
  await eventually(async () => (await servedBy(server)).length === 19)
})

test('a source that has lost most of what it had is held, until somebody confirms it', async () => {
  const port = await freePort()
  const first = await serverAt(port)
  for (let tag = 0; tag < 12; tag++) await uploadTo(first, alice.sign(tag))
  const mirror = mirrorOf(first.origin, alice)
  const server = await testServer({ mirrors: [mirror] })
  await eventually(async () => (await servedBy(server)).length === 12)
  await first.close()
  const empty = await serverAt(port)
  await uploadTo(empty, alice.sign('other'))
  await eventually(async () => (await mirrorsOf(server))[0]?.state === 'held')
  // What it has comes in nevertheless.
  await eventually(async () => (await servedBy(server)).length === 13)

  const config = join(folder, 'held.json')
  writeFileSync(
    config,
    JSON.stringify({ data: server.data, mirrors: [{ from: mirror.from, policy: alice.policy }] }),
  )
  const accept = ['mirror', '--config', config, '--from', mirror.from, '--accept-removals']
  const { code, stderr } = await lookaside(accept)
  assert.equal(code, 0, stderr)
  assert.match(stderr, /server/)
  await eventually(async () => (await servedBy(server)).length === 1)
  await eventually(async () => (await mirrorsOf(server))[0]?.state === 'current')
})

test('below the prefix of a mirror nobody else puts anything, and what is withdrawn there stays away', async () => {
  const source = await testServer()
  const { id } = await uploadTo(source, alice.sign('one'))
  const server = await testServer({ mirrors: [mirrorOf(source.origin, alice, { prefix: vendor })] })
  await eventually(async () => (await servedBy(server)).length === 1)
  const token = await server.token('admin')
  const path = '/api/v1/signatures?repository=vendor/team/app'
  const answer = await ask(server, 'POST', path, { token, body: alice.sign('two') })
  assert.deepEqual([answer.status, answer.json().code], [403, 'not-allowed'])
  assert.match(answer.json().detail, /below vendor here is a copy of another place/)

  const { signatures } = (await ask(server, 'GET', '/api/v1/signatures')).json()
  await withdrawFrom(server, signatures[0].id)
  await withdrawFrom(source, id)
  const reinstated = await ask(source, 'POST', `/api/v1/signatures/${id}/reinstate?reason=test`, {
    token: await source.token('admin'),
  })
  assert.equal(reinstated.status, 200)
  await eventually(async () => (await mirrorsOf(server))[0]?.refused.withdrawn === 1)
  assert.deepEqual(await servedBy(server), [])
})

test('a mirror whose policy cannot be used does not start, and runs once it can', async () => {
  const source = await testServer()
  await uploadTo(source, alice.sign('one'))
  const policy = join(folder, 'broken.json')
  writeFileSync(policy, '{')
  const server = await testServer({
    mirrors: [
      mirrorOf(source.origin, { policy }, { prefix: 'broken' as Repository }),
      mirrorOf(source.origin, alice, { prefix: vendor }),
    ],
  })
  await eventually(async () => (await servedBy(server)).length === 1)
  await eventually(async () => (await mirrorsOf(server))[0]?.state === 'failing')
  assert.match((await mirrorsOf(server))[0]?.lastError ?? '', /broken\.json/)
  writeFileSync(policy, readFileSync(alice.policy))
  await eventually(async () => (await servedBy(server)).length === 2)
})

test('a mirror that could not start holds up no later attempt of the same process', async () => {
  const source = await testServer()
  await uploadTo(source, alice.sign('one'))
  const dataFolder = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder })
  const context = await mirrorContext(storage, testConfig(dataFolder))
  const { signal } = new AbortController()
  const run = () => runMirror(mirrorOf(source.origin, alice), context, { follow: false, signal })
  await storage.setSourceStatus('mirror:elsewhere', 'damaged')
  await assert.rejects(run(), SyntaxError)
  await storage.setSourceStatus('mirror:elsewhere', JSON.stringify(newStatus('elsewhere', '')))
  const { state, added } = await run()
  assert.deepEqual([state, added], ['current', 1])
})

test('a mirror tells which of its files holds no CA or no token, and reads them again', async () => {
  const source = await testServer()
  await uploadTo(source, alice.sign('one'))
  const [ca, tokenFile] = [join(folder, 'empty.crt'), join(folder, 'two-tokens')]
  const token = await source.token('read:**')
  writeFileSync(ca, 'garbage')
  writeFileSync(tokenFile, `${token}\n${token}\n`)
  const server = await testServer({
    mirrors: [
      mirrorOf(source.origin, alice, { prefix: 'ca' as Repository, ca }),
      mirrorOf(source.origin, alice, { prefix: 'token' as Repository, tokenFile }),
    ],
  })
  const troubles = async () => (await mirrorsOf(server)).map(({ state, lastError }) => [state, lastError])
  const expected = [
    ['failing', `${ca} holds no certificate in PEM`],
    ['failing', `${tokenFile} does not hold a token and nothing else`],
  ]
  await eventually(async () => JSON.stringify(await troubles()) === JSON.stringify(expected))
  writeFileSync(ca, getCACertificates('bundled')[0] ?? '')
  writeFileSync(tokenFile, `${token}\n`)
  await eventually(async () => (await servedBy(server)).length === 2)

  writeFileSync(tokenFile, '')
  const data = temporaryFolder()
  const from = `${source.origin}/signatures`
  const args = ['mirror', '--data', data, '--from', from, '--policy', alice.policy, '--token-file', tokenFile]
  const { code, stderr } = await lookaside(args)
  assert.equal(code, 2)
  assert.match(stderr, /two-tokens does not hold a token/)
})

test('the status of mirrors is measured, with no labels but those of the configuration', async () => {
  const source = await testServer()
  const mallory = newSigningKey(folder, 'mallory')
  await uploadTo(source, mallory.sign('one'))
  const server = await testServer({ mirrors: [mirrorOf(source.origin, alice, { prefix: vendor })] })
  const storage = openSqlite({ dataFolder: server.data })
  await storage.setSourceStatus('mirror:elsewhere', JSON.stringify(newStatus('elsewhere', '')))
  await storage.close()
  await eventually(async () =>
    (await mirrorsOf(server)).some(
      ({ state, refused = {} }) => state === 'current' && refused['not-trusted'] === 1,
    ),
  )
  const { body, headers } = await ask(server, 'GET', '/metrics')
  const labels = `from="${source.origin}/signatures",prefix="vendor"`
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
  const lines = body.toString().split('\n')
  for (const line of [
    `lookaside_mirror_up{${labels}} 1`,
    `lookaside_mirror_held{${labels}} 0`,
    `lookaside_mirror_lag_changes{${labels}} 0`,
    `lookaside_mirror_lag_seconds{${labels}} 0`,
    `lookaside_mirror_refused_total{${labels},code="not-trusted"} 1`,
  ])
    assert.ok(lines.includes(line), `${line} is not in\n${body}`)
  assert.ok(!body.includes('elsewhere'))
})

test('the command copies once, tells what it left out, and needs a policy', async () => {
  const source = await testServer()
  const mallory = newSigningKey(folder, 'other')
  await uploadTo(source, alice.sign('one'))
  const data = temporaryFolder()
  const from = `${source.origin}/signatures`
  const args = ['mirror', '--data', data, '--from', from, '--prefix', 'vendor']
  const none = await lookaside(args)
  assert.equal(none.code, 2)
  assert.match(none.stderr, /needs a policy/)

  const first = await lookaside([...args, '--policy', alice.policy])
  assert.deepEqual(
    [first.code, first.stdout],
    [0, '1 added, 0 already there, 0 taken away, none left out\n'],
    first.stderr,
  )
  await uploadTo(source, mallory.sign('two'))
  const second = await lookaside([...args, '--policy', alice.policy, '--json'])
  assert.equal(second.code, 1)
  const { state, added, refused } = JSON.parse(second.stdout)
  assert.deepEqual([state, added, refused], ['current', 0, { 'not-trusted': 1 }])

  const nowhere = await lookaside([
    'mirror',
    '--data',
    data,
    '--from',
    `${source.origin}/elsewhere`,
    '--policy',
    alice.policy,
  ])
  assert.equal(nowhere.code, 3)
  assert.match(nowhere.stderr, /no listing/)
})
