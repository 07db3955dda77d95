import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { ask, type TestServer, testServer } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { eventually } from './eventually.ts'
import { mirrorOf, newSigningKey } from './signing-key.ts'

const alice = newSigningKey(temporaryFolder(), 'alice')

async function upload(server: TestServer, blob: Buffer) {
  const answer = await ask(server, 'POST', '/api/v1/signatures', {
    token: await server.token('admin'),
    body: blob,
  })
  assert.ok(answer.status < 300, answer.body.toString())
  return answer.json()
}

const read = (server: TestServer, digest: string, slot = 1, prefix = '') =>
  ask(server, 'GET', `/signatures/${prefix}team/app@${digest.replace(':', '=')}/signature-${slot}`)

test('an upload at the first of three servers is readable at the third within 2 s', async () => {
  const first = await testServer()
  const second = await testServer({ mirrors: [mirrorOf(first.origin, alice)] })
  const third = await testServer({ mirrors: [mirrorOf(second.origin, alice, { prefix: 'far' as never })] })
  await upload(first, alice.sign('warm', { digest: exampleDigest('b') }))
  await eventually(async () => (await read(third, exampleDigest('b'), 1, 'far/')).status === 200)
  for (let tag = 0; tag < 5; tag++) {
    const digest = exampleDigest(`${tag}`)
    const blob = alice.sign(tag, { digest })
    await upload(first, blob)
    const acknowledged = performance.now()
    await eventually(async () => (await read(third, digest, 1, 'far/')).status === 200)
    const took = performance.now() - acknowledged
    assert.ok(took < 2000, `${took} ms`)
    assert.deepEqual((await read(third, digest, 1, 'far/')).body, blob)
    await wait(100)
  }
})
