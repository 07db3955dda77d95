import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { Refusal } from '../../src/refusal.ts'
import { randomFrom } from '../random.ts'
import { exampleDigest } from '../signing.ts'
import { archiveOf, filesOf, forged } from './archives.ts'
import { newStore } from './stores.ts'

const mutants = Number(process.env.MUTANTS ?? 2000)

test(`${mutants} mutated bundles: nothing but refusals, and nothing here that was not in the original`, async () => {
  const origin = newStore()
  for (const letter of 'abcdefab') await origin.upload({ digest: exampleDigest(letter) })
  await origin.withdraw(2, 3)
  // Who makes the hashes fit can give a genuine signature another repository, as anybody can in a docroot.
  const withoutPlace = (signature: string) => signature.slice(signature.indexOf('@'))
  const original = new Set((await origin.served()).map(withoutPlace))
  const whole = await origin.bundle()
  const since = await origin.bundle({ scope: 'since', since: 0 })
  const { below } = randomFrom(20_260_101)

  const flip = (octets: Buffer) => {
    const changed = Buffer.from(octets)
    for (let times = 1 + below(4); times > 0; times--) changed[below(changed.length)] = below(256)
    return changed
  }
  const splice = (octets: Buffer) => {
    const [from, to, at] = [below(octets.length), below(octets.length), below(octets.length)]
    return Buffer.concat([
      octets.subarray(0, at),
      octets.subarray(Math.min(from, to), Math.max(from, to)),
      octets.subarray(at),
    ])
  }
  const shuffle = (octets: Buffer) => {
    const files = filesOf(octets)
    const [one, other] = [below(files.length), below(files.length)]
    const swapped = files.map((file, at) => (at === one ? files[other] : at === other ? files[one] : file))
    return archiveOf(swapped.filter(() => below(20) > 0) as typeof files)
  }
  /** With hashes that fit: what is left is lines and blobs. */
  const relist = (octets: Buffer) =>
    forged(octets, {
      lines: (lines) =>
        lines.map((line) => {
          const keys = Object.keys(line)
          const key = keys[below(keys.length)] as string
          const text = String(line[key])
          const at = below(text.length)
          const mutated = `${text.slice(0, at)}${below(36).toString(36)}${text.slice(at + 1)}`
          return below(3)
            ? line
            : { ...line, [key]: typeof line[key] === 'number' ? Number(mutated) : mutated }
        }),
    })
  const ways = [
    flip,
    splice,
    shuffle,
    relist,
    (octets: Buffer) => octets.subarray(0, below(octets.length)),
    (octets: Buffer) => zstdCompressSync(relist(octets)),
    (octets: Buffer) => flip(zstdCompressSync(octets)),
    (octets: Buffer) => flip(gzipSync(octets)),
  ]

  let target = newStore()
  const ends: Record<string, number> = {}
  for (let index = 0; index < mutants; index++) {
    if (index % 500 === 0) target = newStore()
    const way = ways[below(ways.length)] as (typeof ways)[number]
    const mutant = way(below(2) ? whole : since)
    try {
      const { leftOut } = await target.import(mutant, { allowOlder: true })
      const end = leftOut ? 'some left out' : 'taken'
      ends[end] = (ends[end] ?? 0) + 1
    } catch (error) {
      assert.ok(error instanceof Refusal, `mutant ${index}: ${(error as Error).stack}`)
      ends[error.code] = (ends[error.code] ?? 0) + 1
    }
    if (index % 25 === 24 || index === mutants - 1)
      for (const signature of await target.served())
        assert.ok(original.has(withoutPlace(signature)), `mutant ${index} brought ${signature}`)
  }
  assert.ok((ends['bundle-invalid'] ?? 0) > mutants / 4, JSON.stringify(ends))
  assert.ok((ends.taken ?? 0) > 10 && (ends['some left out'] ?? 0) > 10, JSON.stringify(ends))
})
