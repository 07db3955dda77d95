import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseToken } from '../../src/access/token.ts'
import { eventually } from '../eventually.ts'
import { ask, type TestServer, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { basic, extensionObject, extensionPath, putObject } from './extension-client.ts'
import { reason } from './withdrawing.ts'

const server = await testServer({ uploads: { maxBytes: 5000, sigstoreJson: false, stallSeconds: 30 } })
const admin = await server.token('admin')
const signer = await server.token('push:team/**')
const idOf = (token: string) => parseToken(token)?.id
const digest = exampleDigest('1')

const query = (of: TestServer, text: string, token: string) =>
  ask(of, 'GET', `/api/v1/audit?limit=1000&${text}`, { token })

/** Records that are there, or will be: nobody waits for those of refusals. */
async function trail(text: string, count: number): Promise<Record<string, any>[]> {
  let records: Record<string, any>[] = []
  await eventually(async () => {
    records = (await query(server, text, admin)).json().records
    return records.length >= count
  })
  return records
}

test('every door has its refusals in the trail: who, from where, what and why', async () => {
  const junk = Buffer.from('no signature')
  const sha256 = createHash('sha256').update(junk).digest('hex')
  const slot = (repository: string) => `/signatures/${repository}@${digest.replace(':', '=')}/signature-1`
  const upload = (path: string, token: string | null, body: Buffer = junk, method = 'POST') =>
    ask(server, method, path, { ...(token !== null && { token }), body, localAddress: '127.0.0.7' })
  await upload('/api/v1/signatures', null)
  await upload('/api/v1/signatures', signer)
  await upload('/api/v1/signatures', signer, Buffer.alloc(6000))
  await upload(
    '/api/v1/signatures',
    signer,
    newBlob({ reference: 'registry.example.com/other/app:1', digest }),
  )
  await upload(slot('team/put'), signer, junk, 'PUT')
  await upload(slot('team/put'), null, junk, 'PUT')
  await upload('/api/v1/signatures/77?reason=mine', signer, junk, 'DELETE')
  await putObject(server, extensionPath('team/app', digest), extensionObject(junk, digest), {
    authorization: `Bearer ${signer}`,
  })
  await query(
    server,
    '',
    signer.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A')),
  )
  await upload(extensionPath('team/%zz', digest), null, junk, 'PUT')
  const records = await trail('from=2020-01-01', 12)
  const refused = records.filter(({ code }) => code !== null)
  const actor = `token:${idOf(signer)} tester`
  assert.deepEqual(
    refused.map((record) => [record.event, record.door, record.code, record.actor, record.repository]).sort(),
    [
      ['order-refused', 'DELETE', 'not-found', actor, null],
      ['refused', 'POST', 'no-credentials', null, null],
      ['refused', 'POST', 'not-allowed', actor, 'other/app'],
      ['refused', 'POST', 'not-openpgp', actor, null],
      ['refused', 'POST', 'too-large', actor, null],
      ['refused', 'PUT', 'no-credentials', null, 'team/put'],
      ['refused', 'PUT', 'not-openpgp', actor, 'team/put'],
      ['refused', 'extension', 'bad-request', null, null],
      ['refused', 'extension', 'not-openpgp', actor, 'team/app'],
      ['sign-in-refused', 'GET', 'bad-credentials', null, null],
    ].sort(),
  )
  for (const { door, address, request, detail, actor } of refused) {
    assert.equal(
      address,
      door === 'GET' || (door === 'extension' && actor !== null) ? '127.0.0.1' : '127.0.0.7',
    )
    assert.ok(request && detail)
  }
  const found = (code: string, door: string) =>
    refused.find((each) => each.code === code && each.door === door)
  assert.equal(found('not-openpgp', 'POST')?.sha256, sha256)
  assert.deepEqual(
    [found('not-openpgp', 'PUT')?.digest, found('not-found', 'DELETE')?.signature],
    [digest, 77],
  )
  assert.match(found('not-allowed', 'POST')?.identity, /^[0-9a-f]{64}$/)
  assert.equal(found('not-found', 'DELETE')?.reason, 'mine')
  const secret = parseToken(signer)?.secret.slice(0, -1) as string
  assert.ok(!JSON.stringify(records).includes(secret))
})

test('what was done is there when it is answered, and what was there already a moment later', async () => {
  const blob = newBlob({ reference: 'registry.example.com/done/app:1', digest })
  const options = { token: admin, body: blob, localAddress: '127.0.0.8' }
  const { id } = (await ask(server, 'POST', '/api/v1/signatures', options)).json()
  await ask(server, 'DELETE', `/api/v1/signatures/${id}?${reason}`, { token: admin })
  const done = (await query(server, 'repository=done/app', admin)).json().records
  assert.deepEqual(
    done.map((record: any) => [record.event, record.door, record.address, record.signature, record.reason]),
    [
      ['uploaded', 'POST', '127.0.0.8', id, null],
      ['withdrawn', 'DELETE', '127.0.0.1', id, 'published by mistake'],
    ],
  )
  const again = newBlob({ reference: 'registry.example.com/done/again:1', digest })
  for (let times = 0; times < 2; times++)
    await ask(server, 'POST', '/api/v1/signatures', { ...options, body: again })
  const [, present] = await trail('repository=done/again', 2)
  assert.deepEqual([present?.event, present?.actor], ['present', `token:${idOf(admin)} tester`])
  await ask(server, 'PUT', `/api/v1/banned-keys/${'A'.repeat(40)}?${reason}`, { token: admin })
  await ask(server, 'DELETE', `/api/v1/banned-keys/${'A'.repeat(40)}`, { token: admin })
  const bans = [await trail('event=banned', 1), await trail('event=unbanned', 1)].flat()
  assert.deepEqual(
    bans.map(({ door, detail }) => [door, detail]),
    [
      ['PUT', 'A'.repeat(40)],
      ['DELETE', 'A'.repeat(40)],
    ],
  )
})

test('only admin may read it, whatever else is open or allowed', async () => {
  assert.equal((await ask(server, 'GET', '/api/v1/audit')).status, 401)
  const others = await server.token('read:**', 'push:**', 'withdraw:**', 'relocate:**')
  assert.equal((await query(server, '', others)).status, 403)
  const answer = await query(server, '', admin)
  assert.deepEqual([answer.status, answer.headers['cache-control']], [200, 'no-store'])
})

test('a question that cannot be right is refused with what is wrong', async () => {
  for (const text of [
    'from=yesterday',
    'to=2026-13-01',
    'event=nothing',
    'order=up',
    'after=x',
    'limit=0',
    'who=me',
  ])
    assert.equal((await ask(server, 'GET', `/api/v1/audit?${text}`, { token: admin })).status, 400, text)
  const newest = (await query(server, 'order=newest', admin)).json().records
  const ids = newest.map(({ id }: { id: number }) => id)
  assert.deepEqual(
    ids,
    [...ids].sort((a, b) => b - a),
  )
})

test('whatever a client sends is bounded, and cannot leave its field', async () => {
  const hostile = `%00%1b%5B2J%0d%0a%e2%80%ae%22,%22actor%22:%22root${'x'.repeat(4000)}`
  const user = basic(`\u001b[31m${'u'.repeat(4000)}`, `lks_00000000_${'A'.repeat(43)}`)
  const headers = { authorization: user }
  for (const path of [
    `/api/v1/signatures?repository=${hostile}`,
    `/signatures/${hostile}@x/signature-1`,
    '/api/v1/signatures?repository=%ff%fe',
  ])
    await ask(server, path.startsWith('/s') ? 'PUT' : 'POST', path, { headers, localAddress: '127.0.0.9' })
  await ask(server, 'DELETE', `/api/v1/signatures/1?reason=${hostile}`, {
    token: signer,
    localAddress: '127.0.0.9',
  })
  const records = await trail('address=127.0.0.9', 3)
  for (const record of records) {
    assert.ok(JSON.stringify(record).length < 6000, JSON.stringify(record).slice(0, 300))
    assert.ok(record.actor === null || record.actor === `token:${idOf(signer)} tester`)
    assert.ok(!JSON.stringify(record).includes('AAAAAAAA'))
  }
})
