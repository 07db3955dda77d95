import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

test('fsck looks at the tree and at each published directory, and repairs them', async () => {
  const folder = temporaryFolder()
  const config = join(folder, 'lookaside.yaml')
  const [data, one, two] = ['data', 'one', 'two'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(config, JSON.stringify({ data, publish: [{ directory: one }, { directory: two }] }))
  const digest = exampleDigest('1')
  const path = `team/app@${digest.replace(':', '=')}/signature-1`
  const blob = join(folder, 'blob')
  writeFileSync(blob, newBlob({ digest }))
  const run = (...args: string[]) => lookaside([...args, '--config', config])
  assert.equal((await run('import', blob)).code, 0)

  const first = await run('fsck')
  assert.deepEqual(
    [first.code, first.stdout.split('\n')[1]],
    [0, '3 digests are still to be written: a running server does it, or --repair'],
  )
  assert.equal((await run('fsck', '--repair')).code, 0)
  rmSync(join(one, path))
  writeFileSync(join(two, path), 'altered')
  const found = await run('fsck')
  assert.deepEqual(
    [found.code, found.stdout.split('\n').slice(0, 2)],
    [
      1,
      [
        `missing-file: ${one}/${path}: The tree lacks it`,
        `different-file: ${two}/${path}: The tree has other bytes than the database`,
      ],
    ],
  )
  const repaired = await run('fsck', '--repair', '--json')
  assert.equal(repaired.code, 0)
  assert.deepEqual(
    JSON.parse(repaired.stdout).damage.map(({ repaired }: { repaired: boolean }) => repaired),
    [true, true],
  )
  for (const root of [join(data, 'tree'), one, two])
    assert.deepEqual(readFileSync(join(root, path)), readFileSync(blob))
})

test('a file of the tree that cannot be read is named, where nothing can be compared without it', async () => {
  const data = temporaryFolder()
  await openSqlite({ dataFolder: data }).close()
  mkdirSync(join(data, 'tree/.position'), { recursive: true })
  const { code, stderr } = await lookaside(['fsck', '--data', data, '--repair'])
  assert.equal(code, 2)
  assert.match(stderr, /^lookaside: data-folder: The data folder .* cannot be used: EISDIR/)
})
