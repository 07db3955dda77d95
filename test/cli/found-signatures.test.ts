import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findSignatures, slotsIn, slotsInBundle } from '../../src/cli/found-signatures.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { armored, signedMessage } from '../openpgp/write.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { home } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

const location = home('team/app', exampleDigest())

async function find(...slots: (Uint8Array | string)[]) {
  const tree = temporaryFolder()
  const folder = join(tree, formatLocation(location))
  mkdirSync(folder, { recursive: true })
  for (const [index, content] of slots.entries())
    writeFileSync(join(folder, `signature-${index + 1}`), content)
  return findSignatures(location, slotsIn(tree))
}

test('slots are read up to the first that is missing, each as the message that is to be verified', async () => {
  const [one, two] = [newBlob(), newBlob()]
  const { signatures, unreadable } = await find(one, Buffer.concat([Buffer.from('\0simple-signing\n'), two]))
  assert.deepEqual(
    signatures.map(({ slot, blob }) => [slot, Buffer.from(blob)]),
    [
      [1, one],
      [2, two],
    ],
  )
  assert.deepEqual(unreadable, [])
  const nothing = { signatures: [], unreadable: [] }
  assert.deepEqual(await findSignatures(location, slotsIn(temporaryFolder())), nothing)
  assert.throws(() => slotsIn('/nowhere'), { code: 'configuration' })
  const loop = join(temporaryFolder(), 'loop')
  symlinkSync('loop', loop)
  for (const slots of [slotsIn, slotsInBundle])
    assert.throws(() => slots(loop), { code: 'configuration', message: /loop cannot be read: ELOOP/ })
})

test('what clients know no form of fails them, and a signature that is only wrong does not', async () => {
  const { signatures, unreadable } = await find(
    newBlob(),
    '<html>',
    '',
    armored(newBlob()),
    signedMessage('{"critical": {}}'),
    newBlob(),
  )
  assert.deepEqual(
    signatures.map(({ slot }) => slot),
    [1, 6],
  )
  assert.deepEqual(
    unreadable.map(({ slot, failsClients }) => [slot, failsClients]),
    [
      [2, true],
      [3, true],
      [4, true],
      [5, false],
    ],
  )
})
