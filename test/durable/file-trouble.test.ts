import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { asFileTrouble } from '../../src/durable/file-trouble.ts'
import { testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'

const thrownBy = (work: Promise<unknown>) =>
  work.then(
    () => assert.fail('nothing was thrown'),
    (error: unknown) => error,
  )

test('what the file system says is told with its file, and what the network says is left as it is', async () => {
  const missing = asFileTrouble('/data', await thrownBy(readFile('/nowhere/file')))
  assert.equal(missing?.code, 'data-folder')
  assert.match(missing?.message ?? '', /^The data folder \/data cannot be used: ENOENT: .*'\/nowhere\/file'$/)
  const full = asFileTrouble('/data', await thrownBy(writeFile('/dev/full', 'x')))
  assert.equal(full?.code, 'disk-full')
  const [taken, again] = [createServer().listen(0, '127.0.0.1'), createServer()]
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const error = await thrownBy(once(again.listen(port, '127.0.0.1'), 'listening'))
  taken.close()
  assert.equal((error as NodeJS.ErrnoException).code, 'EADDRINUSE')
  assert.equal(asFileTrouble('/data', error), null)
  assert.equal(asFileTrouble('/data', new TypeError('x')), null)
})

for (const [name, what] of [
  ['tls/ca.key', 'a folder'],
  ['tls/server.crt', 'a folder'],
  ['tls', 'a file'],
  ['tree/.position', 'a folder'],
  ['tree', 'a file'],
] as const)
  test(`a start that finds ${what} at ${name} names it`, async () => {
    const data = temporaryFolder()
    const found = join(data, name)
    if (what === 'a folder') mkdirSync(found, { recursive: true })
    else writeFileSync(found, '')
    await assert.rejects(testServer({ data, tls: { mode: 'auto', names: [] } }), ({ code, message }) => {
      assert.equal(code, 'data-folder')
      assert.ok(message.includes(found), message)
      return true
    })
  })
