import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Repository } from '../../src/reference/repository.ts'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { uploadTo } from './servers.ts'
import { mirrorOf, newSigningKey } from './signing-key.ts'

const alice = newSigningKey(temporaryFolder(), 'alice')

/** Nobody waits for a second round. */
const everySeconds = 86_400

test('what is uploaded at the first of three servers comes to the third, byte for byte, in the round that is under way', async () => {
  const first = await testServer()
  const second = await testServer({ mirrors: [mirrorOf(first.origin, alice, { everySeconds })] })
  const far = { prefix: 'far' as Repository, everySeconds }
  const third = await testServer({ mirrors: [mirrorOf(second.origin, alice, far)] })
  for (let tag = 0; tag < 5; tag++) {
    const digest = exampleDigest(`${tag}`)
    const path = `/signatures/far/team/app@${digest.replace(':', '=')}/signature-1`
    const blob = alice.sign(tag, { digest })
    await uploadTo(first, blob)
    await eventually(async () => (await ask(third, 'GET', path)).status === 200)
    assert.deepEqual((await ask(third, 'GET', path)).body, blob)
  }
})
