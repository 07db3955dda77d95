import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ask, folderWithKeys, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { as, blobOf, idsOf, push, read, reason, upload, withdraw } from './withdrawing.ts'

suite('a key', async () => {
  const [stolen, good] = ['5D'.repeat(20), 'C0'.repeat(12) + '5D'.repeat(8)] as [string, string]
  // The other key has the same key id, and is known here, so that it is not an invention of whoever has the stolen one.
  const known = {
    fingerprint: good,
    keyId: good.slice(-16),
    primaryFingerprint: good,
    userId: null,
    timeline: [],
  }
  const server = await testServer({ data: await folderWithKeys([known]) })
  const digests = [...'0123456789'].map((letter) => exampleDigest(letter))
  const count = 230
  for (let number = 0; number < count; number++)
    await upload(server, blobOf(stolen, number, { digest: digests[number % 10] as string }))
  await upload(server, blobOf(good, 1, { digest: digests[0] as string }))
  // Of the stolen one at another repository.
  const elsewhere = { digest: digests[0] as string, reference: 'registry.example.com/prod/app:1' }
  const there = await upload(server, blobOf(stolen, 1, elsewhere))
  const path = `/api/v1/banned-keys/${stolen}`

  test('has what names it withdrawn at one repository, by who may do that there', async () => {
    const answer = await withdraw(server, `?key=${stolen}&repository=prod/app`, ['withdraw:prod/app'])
    assert.deepEqual(idsOf(answer), [there])
  })

  test('is named by its whole fingerprint: anybody can make one of a given key id', async () => {
    for (const key of [stolen.slice(-16), 'x', `${stolen}00`])
      assert.equal((await withdraw(server, `?key=${key}`)).status, 400)
    assert.equal(
      (await as(server, ['admin'], 'PUT', `/api/v1/banned-keys/${stolen.slice(-16)}?${reason}`)).status,
      400,
    )
  })

  test('that is banned has all that names it withdrawn, and nothing by other keys', async () => {
    const answer = await as(server, ['withdraw:**'], 'PUT', `${path.toLowerCase()}?${reason}`)
    assert.equal(answer.status, 200)
    const { fingerprint, reason: why, withdrawn, next } = answer.json()
    assert.deepEqual(
      [fingerprint, why, withdrawn.length, next],
      [stolen, 'published by mistake', count, null],
    )
    for (const [index, digest] of digests.entries())
      assert.equal(new Set((await read(server, digest)).map(String)).size, index === 0 ? 1 : 0)
    const { keys } = (await ask(server, 'GET', '/api/v1/banned-keys')).json()
    assert.deepEqual(
      keys.map(({ fingerprint, reason }: any) => [fingerprint, reason]),
      [[stolen, 'published by mistake']],
    )
  })

  test('that is banned signs nothing more', async () => {
    const fresh = blobOf(stolen, 1000)
    assert.deepEqual((await push(server, fresh)).json().code, 'key-banned')
    assert.equal((await push(server, blobOf(good, 1000))).status, 201)
    // Not by that way either.
    const back = await as(server, ['admin'], 'POST', `/api/v1/signatures/1/reinstate?${reason}`)
    assert.equal(back.json().code, 'key-banned')
  })

  test('whose ban is lifted signs again; what was withdrawn stays so', async () => {
    assert.equal((await as(server, ['admin'], 'DELETE', path)).status, 200)
    assert.equal((await push(server, blobOf(stolen, 1000))).status, 201)
    assert.equal(
      (await push(server, blobOf(stolen, 1, { digest: digests[1] as string }))).json().code,
      'withdrawn',
    )
    assert.equal((await as(server, ['admin'], 'DELETE', path)).status, 404)
  })
})

test('uploads have their turn while much is withdrawn', async () => {
  const server = await testServer()
  const key = '77'.repeat(20)
  const uploads = Array.from({ length: 1000 }, (_, number) =>
    upload(
      server,
      blobOf(key, number, {
        digest: exampleDigest((number % 16).toString(16)),
        reference: `registry.example.com/team/app-${number % 20}:1`,
      }),
    ),
  )
  await Promise.all(uploads)
  const all = withdraw(server, `?key=${key}`)
  const changesAfter = async (seq: number) =>
    (await ask(server, 'GET', `/api/v1/changes?after=${seq}&limit=1`)).json().changes as { kind: string }[]
  // Whatever of it is done by then: an upload waits for one batch, not for all.
  while ((await changesAfter(1000)).length === 0);
  await upload(server, newBlob())
  assert.equal(idsOf(await all).length, 1000)
  assert.equal((await changesAfter(2000))[0]?.kind, 'withdrawn')
})
