import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { startLookaside } from './lookaside.ts'
import { run, workFolder } from './program.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'

const folder = workFolder()
const disk = await mountSmallDisk(join(folder, 'disk'), '4m')

test('on a full disk uploads are answered 507, reads go on, a restart too, and nothing is lost', async () => {
  const data = join(disk, 'data')
  const first = await startLookaside(folder, { data })
  const token = await first.token('push:**')
  let sent = 0
  const push = (server: typeof first) => {
    const file = join(folder, `signature-${++sent}`)
    writeFileSync(file, newBlob({ digest: exampleDigest('a') }))
    return server.command(token, ['push', file])
  }
  const slotStatus = async ({ url, ca }: typeof first, slot: number) => {
    const path = `/signatures/team/app@sha256=${'a'.repeat(64)}/signature-${slot}`
    const options = ['--silent', '--cacert', ca, '--output', '/dev/null', '--write-out', '%{http_code}']
    return (await run('curl', [...options, url + path])).stdout
  }

  assert.equal((await push(first)).code, 0)
  const empty = await fillDisk(disk)
  let added = 1
  let refused = await push(first)
  // What is left in the write-ahead log of earlier commits is used up first.
  for (; refused.code === 0; refused = await push(first)) added++
  assert.match(refused.stderr, /The disk of the data folder is full/)
  assert.equal(await slotStatus(first, added), '200')
  assert.equal(await slotStatus(first, added + 1), '404')
  assert.equal(await first.stop(), 0)

  const second = await startLookaside(folder, { data })
  assert.equal(await slotStatus(second, added), '200')
  assert.match((await push(second)).stderr, /The disk of the data folder is full/)
  await empty()
  assert.equal((await push(second)).code, 0)
  assert.equal(await slotStatus(second, added + 1), '200')
  assert.equal(await second.stop(), 0)
  const checked = await second.administer('fsck', '--repair')
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)
  const tree = join(data, 'tree/team', `app@sha256=${'a'.repeat(64)}`)
  assert.equal(readdirSync(tree).length, added + 1)
})

const program = join(import.meta.dirname, '../../src/lookaside.js')

test('a signature that a full disk has no room for is refused, and is written once there is', async () => {
  const small = await mountSmallDisk(join(folder, 'small'), '64k')
  const digest = exampleDigest('b')
  const blob = newBlob({ digest })
  writeFileSync(join(folder, 'made'), blob)
  const output = join(small, 'signature')
  const signer = ['--signer-command', `cat ${join(folder, 'made')}`]
  const args = ['sign', exampleReference, '--digest', digest, ...signer, '--output', output]
  const sign = () => run(process.execPath, [program, ...args], { cwd: folder })
  const empty = await fillDisk(small)
  const refused = await sign()
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /^lookaside: disk-full: .*signature cannot be written: ENOSPC/m)
  await empty()
  assert.equal((await sign()).code, 0)
  assert.deepEqual(readFileSync(output), blob)
})

test('a folder that a full disk has no room for is refused by its name', async () => {
  const small = await mountSmallDisk(join(folder, 'export'), '64k')
  await fillDisk(small)
  const data = join(folder, 'exported')
  const blob = join(folder, 'blob')
  writeFileSync(blob, newBlob())
  await openSqlite({ dataFolder: data }).close()
  const on = (...args: string[]) => run(process.execPath, [program, ...args, '--data', data])
  assert.equal((await on('import', blob)).code, 0)
  const output = join(small, 'signatures')
  const { code, stderr } = await on('export', '--layout', 'repository', '--output', output)
  assert.equal(code, 3)
  assert.match(stderr, /^lookaside: disk-full: .*\/signatures cannot be written: ENOSPC/)
})
