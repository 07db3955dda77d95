import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fsck } from '../../src/tree/fsck.ts'
import { temporaryFolder } from '../temporary.ts'
import { newStore } from './stores.ts'

const program = join(import.meta.dirname, '../../src/lookaside.js')
const count = 1500

test('an import that is killed again and again comes to the same end', async () => {
  const origin = newStore()
  const digests = Array.from(
    { length: count },
    (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`,
  )
  await Promise.all(digests.map((digest) => origin.upload({ digest })))
  const bundle = join(temporaryFolder(), 'all.tar')
  writeFileSync(bundle, await origin.bundle())
  const target = newStore()
  const importing = () =>
    spawn(process.execPath, [program, 'import', '--data', target.data, bundle], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })

  let kills = 0
  for (const reached of [1, 500, 1100]) {
    const child = importing()
    const closed = once(child, 'close')
    while ((await target.storage.head()).seq < reached && child.exitCode === null) await wait(5)
    child.kill('SIGKILL')
    const [, signal] = await closed
    if (signal === 'SIGKILL') kills++
  }
  assert.ok(kills >= 2, `it was killed ${kills} times before it ended`)

  const child = importing()
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  assert.deepEqual(await once(child, 'close'), [0, null])
  assert.match(output, /^whole up to change 1500: \d+ added, \d+ already there, 0 removed, 0 left out\n$/)
  assert.deepEqual(await target.served(), await origin.served())
  assert.equal((await target.storage.head()).seq, count)
  assert.deepEqual(
    (await fsck(target.storage, { tree: null, repair: false, onProgress: () => {} })).damage,
    [],
  )
})
