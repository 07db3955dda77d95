import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib'
import { exampleDigest } from '../signing.ts'
import { readAll, refused } from './reading.ts'
import { joined, newStore, piecesOf } from './stores.ts'

const origin = newStore()
for (const letter of 'bcd') await origin.upload({ digest: exampleDigest(letter) })
const whole = await origin.bundle()

test('an archive that is cut off anywhere is refused, and so is one that something follows', async () => {
  for (let length = 0; length < whole.length; length += 97)
    await refused(whole.subarray(0, length), /cut off|no bundle/)
  await refused(whole.subarray(0, -1), /cut off/)
  await refused(Buffer.concat([whole, Buffer.from('x')]), /follows the end/)
  await refused(Buffer.concat([whole, whole]), /follows the end/)
  assert.equal(await readAll(piecesOf(Buffer.concat([whole, Buffer.alloc(9216)]))), 3)
  for (const compressed of [zstdCompressSync(whole), gzipSync(whole)])
    for (const length of [5, 100, compressed.length - 1])
      await refused(compressed.subarray(0, length), /damaged or cut off|cut off/)
})

test('a bomb is left as soon as it is more than was promised: no endless zeros, no endless file', async () => {
  let pieces = 0
  const endless = async function* (start: Buffer, piece: Buffer) {
    yield start
    for (;;) {
      pieces++
      yield piece
    }
  }
  await refused(endless(whole, Buffer.alloc(65_536)), /follows the end/)
  await refused(endless(whole.subarray(0, 512 * 3), Buffer.alloc(65_536)), /does not have the SHA-256/)
  await refused(endless(Buffer.alloc(0), Buffer.alloc(65_536)), /no bundle/)
  assert.ok(pieces < 40, `${pieces} pieces were read`)
  const bomb = zstdCompressSync(Buffer.concat([whole, Buffer.alloc(256 * 1024 * 1024)]))
  assert.ok(bomb.length < 100_000)
  await refused(bomb, /follows the end/)
})

test('a zstd file that asks for more memory than export needs is refused', async () => {
  const compressor = createZstdCompress({
    params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 },
  })
  compressor.write(whole)
  compressor.end()
  const greedy = await joined(compressor)
  await refused(greedy, /too much memory/)
})
