import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob, variantOf } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('50 signers at once over two processes: each digest ends with exactly its signatures, contiguous', async () => {
  const data = temporaryFolder()
  const token = await newToken(data, [{ action: 'admin' }])
  const servers = await Promise.all([spawnServer(data), spawnServer(data)])
  const digests = Array.from({ length: 10 }, (_, index) => exampleDigest(String(index)))
  const wanted = new Map(digests.map((digest) => [digest, new Map<string, string>()]))

  const signer = async (number: number) => {
    for (let count = 0; count < 20; count++) {
      const digest = digests[(number + count) % 10] as (typeof digests)[number]
      const blob = newBlob({ digest })
      // Every third is sent to both processes, the second time in other bytes.
      const forms = count % 3 === 0 ? [blob, variantOf(blob)] : [blob]
      const answers = await Promise.all(
        forms.map((body, index) =>
          ask(servers[(number + index) % 2] as (typeof servers)[number], 'POST', '/api/v1/signatures', {
            token,
            body,
          }),
        ),
      )
      assert.equal(answers.filter(({ status }) => status === 201).length, 1)
      assert.ok(answers.every(({ status }) => status === 201 || status === 200))
      const [{ url, identity }] = answers.map((answer) => answer.json()) as [
        { url: string; identity: string },
      ]
      wanted.get(digest)?.set(identity, new URL(url).pathname)
    }
  }
  await Promise.all(Array.from({ length: 50 }, (_, number) => signer(number)))

  for (const [digest, identities] of wanted) {
    assert.equal(identities.size, 100)
    const page = await ask(servers[0], 'GET', `/api/v1/signatures?digest=${digest}&limit=1000`)
    const { signatures } = page.json() as { signatures: { slot: number; identity: string; sha256: string }[] }
    assert.deepEqual(
      signatures.map(({ slot }) => slot),
      Array.from({ length: 100 }, (_, index) => index + 1),
    )
    assert.deepEqual(signatures.map(({ identity }) => identity).sort(), [...identities.keys()].sort())
    for (const server of servers) {
      const base = `/signatures/${formatLocation({ kind: 'repository', name: 'team/app' as never, digest })}`
      for (const { slot, sha256: hash } of signatures) {
        const read = await ask(server, 'GET', `${base}/signature-${slot}`)
        assert.deepEqual([read.status, sha256(read.body)], [200, hash])
      }
      assert.equal((await ask(server, 'GET', `${base}/signature-101`)).status, 404)
    }
  }
})
