import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Found, walk } from '../../src/tree/walk.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

const place = `team/app@${exampleDigest('a').replace(':', '=')}`

async function all(found: AsyncIterable<Found>): Promise<Found[]> {
  const files: Found[] = []
  for await (const file of found) files.push(file)
  return files
}

test('slots come in the order of their numbers, and links are told of', async () => {
  const root = temporaryFolder()
  mkdirSync(join(root, place), { recursive: true })
  for (const slot of [10, 9, 1, 127, 2]) writeFileSync(join(root, `${place}/signature-${slot}`), '')
  symlinkSync(root, join(root, 'team/loop'))
  const found = await all(walk(root))
  assert.deepEqual(
    found.map(({ path, slot }) => [path, slot?.slot ?? null]),
    [...[1, 2, 9, 10, 127].map((slot) => [`${place}/signature-${slot}`, slot]), ['team/loop', null]],
  )
})

test('a folder with more entries than are held at once is walked through', async () => {
  const root = temporaryFolder()
  const names = Array.from({ length: 10_050 }, (_, index) => `file${index}`)
  for (const name of names) writeFileSync(join(root, name), '')
  const found = await all(walk(root))
  assert.equal(found.length, names.length)
  assert.deepEqual(new Set(found.map(({ path }) => path)), new Set(names))
})

test('a docroot that is not there is empty', async () => {
  assert.deepEqual(await all(walk(join(temporaryFolder(), 'missing'))), [])
})
