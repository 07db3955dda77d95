import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { ask, type TestServer, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const digest = exampleDigest('a')
const place = `team/app@${digest.replace(':', '=')}`

interface Served {
  data: string
  blobs: Buffer[]
  server: TestServer
  upload(): Promise<number>
}

async function served(): Promise<Served> {
  const data = join(temporaryFolder(), 'data')
  const server = await testServer({ data })
  const token = await server.token('push:**')
  const blobs: Buffer[] = []
  const upload = async () => {
    const blob = newBlob({ digest })
    const { status } = await ask(server, 'POST', '/api/v1/signatures', { token, body: blob })
    if (status === 201) blobs.push(blob)
    return status
  }
  for (let count = 0; count < 3; count++) assert.equal(await upload(), 201)
  await untilWritten(data)
  return { data, blobs, server, upload }
}

const fileOf = (data: string, slot: number) => join(treeOf(data).root, place, `signature-${slot}`)

function isWritten(data: string, blobs: Buffer[]): boolean {
  return blobs.every((blob, index) => {
    const file = fileOf(data, index + 1)
    return existsSync(file) && readFileSync(file).equals(blob)
  })
}

/** All that the log has, or what can be written of it. */
async function untilWritten(data: string): Promise<void> {
  const storage = openSqlite({ dataFolder: data })
  await eventually(async () => (await readPosition(treeOf(data)))?.seq === (await storage.head()).seq)
  await storage.close()
}

async function expectServed(server: { port: number }, blobs: Buffer[]): Promise<void> {
  for (const [index, blob] of blobs.entries()) {
    const { status, body } = await ask(server, 'GET', `/signatures/${place}/signature-${index + 1}`)
    assert.deepEqual([status, body], [200, blob])
  }
}

async function expectSound(data: string): Promise<void> {
  const storage = openSqlite({ dataFolder: data })
  const options = { tree: treeOf(data), onProgress: () => {} }
  await fsck(storage, { ...options, repair: true })
  const { damage, pending } = await fsck(storage, { ...options, repair: false })
  await storage.close()
  assert.deepEqual([damage, pending], [[], 0])
}

/** What must stay as it is, whatever leads there from the tree. */
const outside = temporaryFolder()
writeFileSync(join(outside, 'signature-1'), 'not to be touched')
const isUntouched = () =>
  assert.equal(readFileSync(join(outside, 'signature-1'), 'utf8'), 'not to be touched')

const damages: [what: string, damage: (root: string) => void][] = [
  ['deleted', (root) => rmSync(root, { recursive: true })],
  ['moved away', (root) => renameSync(root, `${root}.moved`)],
  ['without one of its files', (root) => rmSync(join(root, place, 'signature-2'))],
  ['with other bytes in a file', (root) => writeFileSync(join(root, place, 'signature-2'), 'nothing')],
  [
    'with a link in place of a file',
    (root) => {
      rmSync(join(root, place, 'signature-1'))
      symlinkSync(join(outside, 'signature-1'), join(root, place, 'signature-1'))
    },
  ],
  [
    'with a folder in place of a file',
    (root) => {
      rmSync(join(root, place, 'signature-3'))
      mkdirSync(join(root, place, 'signature-3'))
    },
  ],
  ['with a file beyond the last slot', (root) => writeFileSync(join(root, place, 'signature-4'), 'more')],
  [
    'with a link in place of the folder of an image',
    (root) => {
      rmSync(join(root, place), { recursive: true })
      symlinkSync(outside, join(root, place))
    },
  ],
]

for (const isRunning of [false, true])
  for (const [what, damage] of damages)
    test(`a tree ${what}, ${isRunning ? 'while it is written' : 'and then a start'}: all is served, fsck mends it, nothing outside is touched`, async () => {
      const { data, blobs, server, upload } = await served()
      if (!isRunning) await server.close()
      damage(treeOf(data).root)
      const now = isRunning ? server : await testServer({ data })
      await expectServed(now, blobs)
      if (isRunning) {
        assert.equal(await upload(), 201)
        await untilWritten(data)
      }
      await expectServed(now, blobs)
      await now.close()
      await expectSound(data)
      assert.ok(isWritten(data, blobs))
      isUntouched()
    })

test('a data folder that is removed under a running server: what is there is served, and uploads are refused', async () => {
  const { data, blobs, server, upload } = await served()
  rmSync(data, { recursive: true })
  await expectServed(server, blobs)
  assert.equal(await upload(), 500)
  const { status, ...answer } = await ask(server, 'GET', '/readyz')
  assert.match(answer.body.toString(), /database-not-writable|tree-behind/)
  assert.ok(status === 200 || status === 503)
  await server.close()
})
