import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { fsck } from '../../src/tree/fsck.ts'
import { readPosition } from '../../src/tree/position.ts'
import { publishedTree } from '../../src/tree/published.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { lookaside } from '../cli/run.ts'
import { eventually } from '../eventually.ts'
import { servedBy } from '../mirror/servers.ts'
import { newSigningKey } from '../mirror/signing-key.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { atEnd, succeed, workFolder } from './program.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'

const folder = workFolder()
const digest = exampleDigest('a')
const slot = (number: number) => `team/app@${digest.replace(':', '=')}/signature-${number}`

async function serve(data: string, config: Record<string, unknown> = {}): Promise<ServerProcess> {
  const file = join(folder, `${data.replaceAll('/', '-')}.yaml`)
  writeFileSync(file, JSON.stringify(config))
  const server = await spawnServer(data, '--config', file)
  atEnd(() => server.end('SIGKILL'))
  return server
}

async function expectSound(data: string, signatures: number): Promise<void> {
  const storage = openSqlite({ dataFolder: data })
  const report = await fsck(storage, { tree: treeOf(data), repair: true, onProgress: () => {} })
  await storage.close()
  assert.deepEqual([report.damage, report.signatures], [[], signatures])
}

const upload = (server: ServerProcess, token: string, body = newBlob({ digest })) =>
  ask(server, 'POST', '/api/v1/signatures', { token, body })

test('where the disk of a published directory is full, uploads and reads go on; it is written when there is room', async () => {
  const disk = await mountSmallDisk(join(folder, 'published'), '1m')
  const data = join(folder, 'publishing')
  const token = await newToken(data, [{ action: 'admin' }])
  const directory = join(disk, 'sigs')
  const server = await serve(data, { publish: [{ directory }] })
  assert.equal((await upload(server, token)).status, 201)
  // With nothing of the first on its way any more: what that replaces would leave room for the second.
  await eventually(async () => (await readPosition(publishedTree(directory)))?.seq === 1)
  const empty = await fillDisk(disk)
  assert.equal((await upload(server, token)).status, 201)
  await eventually(() => server.log.some(({ msg }) => /the tree cannot be written/.test(String(msg))))
  assert.equal((await ask(server, 'GET', `/signatures/${slot(2)}`)).status, 200)
  assert.ok(!existsSync(join(directory, slot(2))))
  await empty()
  await eventually(() => existsSync(join(directory, slot(2))))
  assert.equal(await server.end('SIGTERM'), 0)
  await expectSound(data, 2)
})

test('a mirror whose disk is full takes the rest when there is room', async () => {
  const key = newSigningKey(folder, 'alice')
  const source = join(folder, 'source')
  const token = await newToken(source, [{ action: 'admin' }])
  const first = await serve(source)
  const disk = await mountSmallDisk(join(folder, 'mirror'), '16m')
  const data = join(disk, 'data')
  const mirrors = [{ from: `${first.origin}/signatures`, policy: key.policy, every: '1s' }]
  const second = await serve(data, { mirrors })
  assert.equal((await upload(first, token, key.sign(0))).status, 201)
  await eventually(async () => (await servedBy(second)).length === 1)
  const empty = await fillDisk(disk)
  let sent = 1
  const isStuck = () => second.log.some(({ msg }) => /a mirror cannot/.test(String(msg)))
  // What is left in the write-ahead log of earlier commits is used up first.
  for (; !isStuck(); sent++) {
    const answer = await upload(first, token, key.sign(sent, { digest: digestOf(sent) }))
    assert.equal(answer.status, 201)
    await eventually(async () => isStuck() || (await servedBy(second)).length === sent + 1)
  }
  assert.ok((await servedBy(second)).length < sent)
  await empty()
  await eventually(async () => (await servedBy(second)).length === sent)
  assert.deepEqual(await servedBy(second), await servedBy(first))
  for (const server of [first, second]) assert.equal(await server.end('SIGTERM'), 0)
  await expectSound(data, sent)
})

const digestOf = (number: number) => `sha256:${String(Math.floor(number / 100)).padStart(64, '0')}`

test('a start on a read-only disk is refused with the reason, and all is there when it can be written again', async () => {
  const disk = await mountSmallDisk(join(folder, 'read-only'), '8m')
  const data = join(disk, 'data')
  const token = await newToken(data, [{ action: 'admin' }])
  const server = await serve(data)
  assert.equal((await upload(server, token)).status, 201)
  await eventually(() => existsSync(join(treeOf(data).root, slot(1))))
  assert.equal(await server.end('SIGTERM'), 0)

  await succeed('mount', ['-o', 'remount,ro', disk])
  await assert.rejects(serve(data), /read-?only|readonly/i)
  await succeed('mount', ['-o', 'remount,rw', disk])

  const again = await serve(data)
  assert.equal((await ask(again, 'GET', `/signatures/${slot(1)}`)).status, 200)
  assert.equal((await upload(again, token)).status, 201)
  assert.equal(await again.end('SIGTERM'), 0)
  await expectSound(data, 2)
})

test('where the disk fills up during the import of a bundle, it says so, and takes the rest when there is room', async () => {
  const source = join(folder, 'exported')
  const token = await newToken(source, [{ action: 'admin' }])
  const server = await serve(source)
  const signatures = 200
  for (let sent = 0; sent < signatures; sent++)
    assert.equal((await upload(server, token, newBlob({ digest: digestOf(sent) }))).status, 201)
  const bundle = join(folder, 'bundle.tar')
  assert.equal((await lookaside(['export', '--output', bundle, '--data', source])).code, 0)

  const disk = await mountSmallDisk(join(folder, 'importing'), '8m')
  const data = join(disk, 'data')
  await openSqlite({ dataFolder: data }).close()
  const empty = await fillDisk(disk, 400_000)
  const before = readdirSync(disk)
  const first = await lookaside(['import', bundle, '--data', data])
  assert.deepEqual([first.code, first.stdout], [3, ''])
  assert.match(first.stderr, /The disk of the data folder is full/)
  assert.deepEqual(readdirSync(disk), before)

  await empty()
  const { code, stdout, stderr } = await lookaside(['import', bundle, '--data', data, '--json'])
  assert.equal(code, 0, stderr)
  const { added, present } = JSON.parse(stdout)
  assert.equal(added + present, signatures)
  await expectSound(data, signatures)
})
