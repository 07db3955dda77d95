import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ask, testServer } from '../server.ts'
import { claimOf, exampleDigest, newBlob, variantOf } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { as, everything, idsOf, push, read, reason, upload, withdraw } from './withdrawing.ts'

suite('one signature', async () => {
  const server = await testServer()
  const other = await testServer({ data: server.data })
  const digest = exampleDigest('1')
  const blobs = [1, 2, 3].map(() => newBlob({ digest })) as [Buffer, Buffer, Buffer]
  const ids: number[] = []
  for (const blob of blobs) ids.push(await upload(server, blob))
  const path = `/${ids[0]}`

  test('is gone for the very next reader in every process, and no other is', async () => {
    assert.equal((await read(other, digest)).length, 3)
    const answer = await withdraw(server, path)
    assert.equal(answer.status, 200)
    const [first, ...rest] = answer.json().withdrawn
    assert.deepEqual(
      [first.id, first.repository, first.digest, first.change, rest],
      [ids[0], 'team/app', digest, 4, []],
    )
    for (const reader of [other, server]) {
      const served = await read(reader, digest)
      assert.ok(!served.some((blob) => blob.equals(blobs[0])))
      for (const blob of blobs.slice(1)) assert.ok(served.some((each) => each.equals(blob)))
    }
  })

  test('is in the log with who did it, and why', async () => {
    const { changes } = (await ask(server, 'GET', '/api/v1/changes?after=3')).json()
    assert.deepEqual(
      changes.map(({ kind, signature, reason }: any) => [kind, signature, reason]),
      [['withdrawn', ids[0], 'published by mistake']],
    )
    assert.match(changes[0].actor, /^token:[0-9a-f]{8} tester$/)
  })

  test('is refused in every form from then on', async () => {
    for (const form of [blobs[0], variantOf(blobs[0])]) {
      const answer = await push(other, form)
      assert.deepEqual([answer.status, answer.json().code], [409, 'withdrawn'])
    }
    assert.equal((await push(server, blobs[1])).status, 200)
  })

  test('is withdrawn once, however often it is asked for', async () => {
    const answer = await withdraw(other, path)
    assert.deepEqual([answer.status, answer.json()], [200, { withdrawn: [], next: null }])
    assert.equal((await ask(server, 'GET', '/api/v1/changes')).json().head, 4)
  })

  test('comes back when it is reinstated, under its number', async () => {
    const back = await as(
      server,
      everything,
      'POST',
      `/api/v1/signatures${path}/reinstate?reason=it%20was%20good`,
    )
    assert.equal(back.status, 200)
    const { id, url, claim } = back.json()
    assert.deepEqual([id, claim], [ids[0], JSON.parse(claimOf({ digest }))])
    assert.deepEqual((await ask(other, 'GET', new URL(url).pathname)).body, blobs[0])
    const { changes } = (await ask(server, 'GET', '/api/v1/changes?after=4')).json()
    assert.deepEqual(
      changes.map(({ kind, signature, reason }: any) => [kind, signature, reason]),
      [['reinstated', ids[0], 'it was good']],
    )
    const again = await as(server, everything, 'POST', `/api/v1/signatures${path}/reinstate?${reason}`)
    assert.deepEqual([again.status, again.json().id], [200, id])
    assert.equal((await ask(server, 'GET', '/api/v1/changes')).json().head, 5)
  })

  test('that is not there is not found', async () => {
    for (const [method, what] of [
      ['DELETE', '/99'],
      ['POST', '/99/reinstate'],
    ] as const) {
      const answer = await as(server, everything, method, `/api/v1/signatures${what}?${reason}`)
      assert.deepEqual([answer.status, answer.json().code], [404, 'not-found'])
    }
  })
})

suite('who may', async () => {
  const server = await testServer()
  const digest = exampleDigest('2')
  const id = await upload(server, newBlob({ digest }))
  const place = `?repository=team/app&digest=${digest}`
  const key = `?key=${'AB'.repeat(20)}`
  const banned = `/api/v1/banned-keys/${'AB'.repeat(20)}`

  test('withdraw at a repository may do that there, and nothing elsewhere', async () => {
    const refusedAt = async (scopes: string[], method: string, path: string) => {
      const answer = await as(server, scopes, method, path)
      assert.deepEqual([answer.status, answer.json().code], [403, 'not-allowed'], `${scopes} ${path}`)
    }
    for (const scopes of [
      ['push:**', 'relocate:**', 'read:**'],
      ['withdraw:prod/**'],
      ['withdraw:team/*/x'],
    ]) {
      await refusedAt(scopes, 'DELETE', `/api/v1/signatures/${id}?${reason}`)
      await refusedAt(scopes, 'DELETE', `/api/v1/signatures${place}&${reason}`)
      await refusedAt(scopes, 'DELETE', `/api/v1/signatures${key}&repository=team/app&${reason}`)
      await refusedAt(scopes, 'POST', `/api/v1/signatures/${id}/reinstate?${reason}`)
    }
    for (const scopes of [['push:**'], ['withdraw:team/**', 'withdraw:*/**']]) {
      await refusedAt(scopes, 'DELETE', `/api/v1/signatures${key}&${reason}`)
      await refusedAt(scopes, 'PUT', `${banned}?${reason}`)
      await refusedAt(scopes, 'DELETE', banned)
    }
    assert.equal((await read(server, digest)).length, 1)
  })

  test('the right to withdraw is enough to take away and to let back in', async () => {
    for (const scopes of [['withdraw:team/app'], ['admin']]) {
      assert.deepEqual(idsOf(await withdraw(server, `/${id}`, scopes)), [id])
      const back = await as(server, scopes, 'POST', `/api/v1/signatures/${id}/reinstate?${reason}`)
      assert.equal(back.status, 200)
    }
  })

  test('nobody without a token', async () => {
    for (const [method, path] of [
      ['DELETE', `/api/v1/signatures/${id}?${reason}`],
      ['DELETE', `/api/v1/signatures${place}&${reason}`],
      ['POST', `/api/v1/signatures/${id}/reinstate?${reason}`],
      ['PUT', `${banned}?${reason}`],
      ['DELETE', banned],
    ] as const)
      assert.equal((await ask(server, method, path)).status, 401, path)
  })

  test('with private reads, who may not read learns nothing of what is there', async () => {
    const closed = await testServer({ reads: { cacheSeconds: 0, private: true } })
    const there = await upload(closed, newBlob())
    const answers = await Promise.all(
      [there, 99].map((number) => withdraw(closed, `/${number}`, ['withdraw:prod/**', 'read:prod/**'])),
    )
    assert.deepEqual(
      answers.map((answer) => answer.json().code),
      ['not-found', 'not-found'],
    )
    assert.equal((await withdraw(closed, `/${there}`, ['withdraw:prod/**', 'read:**'])).status, 403)
    assert.deepEqual(idsOf(await withdraw(closed, `/${there}`, ['withdraw:team/**'])), [there])
    const bans = '/api/v1/banned-keys'
    assert.equal((await ask(closed, 'GET', bans)).status, 401)
    assert.equal(
      (await as(closed, ['withdraw:**'], 'PUT', `${bans}/${'AB'.repeat(20)}?${reason}`)).status,
      200,
    )
    const seen = async (...scopes: string[]) => (await as(closed, scopes, 'GET', bans)).json().keys[0].reason
    assert.deepEqual([await seen('read:**'), await seen('admin')], [null, 'published by mistake'])
  })
})

test('a reason is given, and is one line of text', async () => {
  const server = await testServer()
  const id = await upload(server, newBlob())
  for (const given of [
    '',
    'reason=',
    'reason=%20',
    'reason=a%0Ab',
    'reason=a%1b[2J',
    `reason=${'x'.repeat(1001)}`,
    'reason=a&reason=b',
  ])
    for (const [method, path] of [
      ['DELETE', `/api/v1/signatures/${id}`],
      ['DELETE', `/api/v1/signatures?repository=team/app&digest=${exampleDigest()}`],
      ['POST', `/api/v1/signatures/${id}/reinstate`],
      ['PUT', `/api/v1/banned-keys/${'AB'.repeat(20)}`],
    ] as const) {
      const answer = await as(server, ['admin'], method, `${path}${path.includes('?') ? '&' : '?'}${given}`)
      assert.deepEqual([answer.status, answer.json().code], [400, 'bad-request'], `${path} ${given}`)
    }
  assert.equal((await read(server, exampleDigest())).length, 1)
  const long = `/api/v1/signatures/${id}?reason=${encodeURIComponent('ü'.repeat(1000))}`
  assert.equal((await as(server, ['admin'], 'DELETE', long)).status, 200)
})

suite('all of a digest', async () => {
  const server = await testServer()
  const [digest, kept] = [exampleDigest('3'), exampleDigest('4')]
  const ids: number[] = []
  for (let count = 0; count < 5; count++) ids.push(await upload(server, newBlob({ digest })))
  await upload(server, newBlob({ digest: kept }))
  const elsewhere = newBlob({ digest })
  await upload(server, elsewhere, '?repository=prod/app')

  test('go at one repository, and nothing else does', async () => {
    const answer = await withdraw(server, `?repository=team/app&digest=${digest}`)
    assert.deepEqual(idsOf(answer), ids)
    assert.deepEqual(await read(server, digest), [])
    assert.equal((await read(server, kept)).length, 1)
    assert.deepEqual(await read(server, digest, 'prod/app'), [elsewhere])
    assert.deepEqual(idsOf(await withdraw(server, `?repository=team/app&digest=${digest}`)), [])
  })

  test('are not confused with more than was named', async () => {
    for (const what of [
      '?repository=prod/app',
      `?digest=${digest}`,
      '?after=0',
      `?key=${'AB'.repeat(20)}&digest=${digest}`,
      `?repository=prod/app&digest=${digest}&verdict=bad`,
    ]) {
      const answer = await withdraw(server, what)
      assert.deepEqual([answer.status, answer.json().code], [400, 'bad-request'], what)
    }
    assert.deepEqual(await read(server, digest, 'prod/app'), [elsewhere])
  })
})

test('what is reinstated is held to the policy as it is now', async () => {
  const folder = temporaryFolder()
  const policy = join(folder, 'policy.json')
  const write = (type: string) => writeFileSync(policy, JSON.stringify({ default: [{ type }] }))
  write('insecureAcceptAnything')
  const server = await testServer({ policy })
  const digest = exampleDigest()
  const id = await upload(server, newBlob())
  await withdraw(server, `/${id}`)
  write('reject')
  while ((await push(server, newBlob({ digest: exampleDigest('b') }))).status !== 422);
  const path = `/api/v1/signatures/${id}/reinstate?${reason}`
  const refused = await as(server, ['admin'], 'POST', path)
  assert.deepEqual([refused.status, refused.json().code], [422, 'not-trusted'])
  assert.deepEqual(await read(server, digest), [])
  write('insecureAcceptAnything')
  while ((await as(server, ['admin'], 'POST', path)).status !== 200);
  assert.equal((await read(server, digest)).length, 1)
})
