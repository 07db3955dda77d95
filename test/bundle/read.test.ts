import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBundle } from '../../src/bundle/read.ts'
import { tarHeader } from '../../src/bundle/tar.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { type ArchivedFile, archiveOf, filesOf, forged, headOf } from './archives.ts'
import { readAll, readParts, refused } from './reading.ts'
import { newStore, piecesOf } from './stores.ts'

const origin = newStore()
for (const letter of 'abcd') await origin.upload({ digest: exampleDigest(letter) })
await origin.withdraw(1)
const whole = await origin.bundle()
const since = await origin.bundle({ scope: 'since', since: 0 })

/** With another header before its second file, whose checksum fits unless it is what was changed. */
const withHeader = (change: (header: Buffer) => void, { isSummed = true } = {}) => {
  const files = filesOf(whole)
  const [, second] = files as [ArchivedFile, ArchivedFile]
  second.header = tarHeader(second.name, second.content.length)
  change(second.header)
  if (!isSummed) return archiveOf(files)
  second.header.write(' '.repeat(8), 148, 'latin1')
  const sum = second.header.reduce((total, octet) => total + octet, 0)
  second.header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return archiveOf(files)
}

test('what export wrote is read, in pieces of any size', async () => {
  for (const size of [1, 7, 512, 1_000_000]) {
    assert.equal(await readAll(piecesOf(whole, size)), 3)
    assert.equal(await readAll(piecesOf(since, size)), 4)
  }
})

test('no header says more than a name and a size: no link, device, path, owner, mode, time or pax record', async () => {
  const unexpected = /is due as lookaside export writes it/
  for (const type of ['1', '2', '3', '4', '5', '6', '7', 'x', 'g', 'L', 'K', '\0'])
    await refused(
      withHeader((header) => void header.write(type, 156, 'latin1')),
      unexpected,
    )
  for (const [offset, text] of [
    [0, '../../etc/cron.d/x\0'],
    [0, '/etc/passwd\0'],
    [0, 'signatures/../../x\0'],
    [100, '0004755'],
    [108, '0000001'],
    [136, '00000000001'],
    [157, '/etc/passwd'],
    [257, 'ustar  '],
    [265, 'root'],
    [345, '../..'],
  ] as const)
    await refused(
      withHeader((header) => void header.write(text, offset, 'latin1')),
      unexpected,
    )
  const isSummed = false
  await refused(
    withHeader((header) => void header.write('7', 148, 'latin1'), { isSummed }),
    unexpected,
  )
})

test('sizes that lie, in headers and in lists, are found out before what they promise is read', async () => {
  await refused(
    withHeader((header) => void header.write('77777777777', 124, 'latin1')),
    /is due/,
  )
  await refused(
    withHeader((header) => void header.write('\x80\0\0\0\0\0\0\x01\0\0\0\0', 124, 'latin1')),
    /is due/,
  )
  const size = (size: unknown) => (lines: any[]) => lines.map((line) => ({ ...line, size }))
  await refused(forged(whole, { lines: size(5) }), /is due/)
  await refused(forged(whole, { lines: size(10_000_000_000) }), /is not as lookaside export writes it/)
  await refused(forged(whole, { lines: size(-1) }), /is not as lookaside export writes it/)
  const hugeHead = tarHeader('lookaside-bundle.json', 1024 ** 3)
  await refused(Buffer.concat([hugeHead, whole]), /16777216 is the most/)
  const hugePart = (head: any) => ({
    ...head,
    signatures: { ...head.signatures, parts: [{ ...head.signatures.parts[0], size: 1024 ** 3 }] },
  })
  await refused(forged(whole, { head: hugePart }), /more than 1024000 bytes/)
  const signed = [
    ...filesOf(whole).slice(0, 1),
    { name: 'lookaside-bundle.json.asc', content: Buffer.alloc(100_000) },
  ]
  await refused(archiveOf(signed), /65536 is the most/)
})

test('files that are missing, there twice, in another order, or that nothing tells of are refused', async () => {
  const change = (files: (files: ArchivedFile[]) => ArchivedFile[]) => forged(whole, { files })
  await refused(
    change(([head, part, one, ...rest]) => [head, part, one, one, ...rest] as never),
    /is due/,
  )
  await refused(
    change(([head, part, one, two, ...rest]) => [head, part, two, one, ...rest] as never),
    /is due/,
  )
  await refused(
    change((files) => files.slice(0, -1)),
    /is due/,
  )
  await refused(
    change(([head, ...rest]) => [...rest, head] as never),
    /is no bundle/,
  )
  await refused(
    change((files) => [...files, { name: 'signatures/00000001/zz', content: Buffer.from('x') }]),
    /goes on where it should end/,
  )
  await refused(
    change(([head, ...rest]) => [head, head, ...rest] as never),
    /is due/,
  )
})

test('content that does not have its hash is refused: a blob, a list', async () => {
  const spoil = (index: number) => {
    const files = filesOf(whole)
    const { content } = files[index] as ArchivedFile
    files[index] = {
      ...(files[index] as ArchivedFile),
      content: content.with(-2, (content.at(-2) as number) ^ 1) as Buffer,
    }
    return archiveOf(files)
  }
  await refused(spoil(1), /00000001\.jsonl does not have the SHA-256/)
  await refused(spoil(3), /does not have the SHA-256/)
  const padding = (content: Buffer) => whole.indexOf(content) + content.length
  for (const { content } of filesOf(whole))
    if (content.length % 512) await refused(whole.with(padding(content), 1), /between its files/)
})

test('lists have one spelling, one order, and nothing of which there is too much', async () => {
  const odd = /is not as lookaside export writes it/
  const lines = (lines: (lines: any[]) => any[]) => forged(since, { lines })
  await refused(
    lines(([first, ...rest]) => [{ ...first, more: 1 }, ...rest]),
    odd,
  )
  await refused(
    lines((all) => all.map((line) => JSON.stringify(line).replace('{', '{ '))),
    odd,
  )
  await refused(
    lines((all) => all.map((line) => `{"id":1,${JSON.stringify(line).slice(1)}`)),
    odd,
  )
  for (const change of [
    { repository: '../app' },
    { repository: 'Team/App' },
    { digest: 'sha256:AA' },
    { identity: 'x' },
    { id: 0 },
    { id: 1.5 },
    { id: '1' },
    { repository: ['team/app'] },
  ])
    await refused(
      lines((all) => all.map((line) => ({ ...line, ...change }))),
      odd,
    )
  await refused(
    lines((all) => all.map(() => 'null')),
    odd,
  )
  await refused(
    lines((all) => all.map(() => '['.repeat(5000))),
    odd,
  )
  await refused(
    lines((all) => all.toReversed().concat(all)),
    /out of order/,
  )
  await refused(
    lines((all) => all.map((line) => ({ ...line, id: 1000 }))),
    /out of order/,
  )
  await refused(
    lines(() => Array.from({ length: 1001 }, () => 'x')),
    /more than 1000 lines/,
  )
  await refused(
    forged(since, {
      lines: (all, part) => (part.startsWith('w') ? all.map((line) => ({ ...line, kind: 'added' })) : all),
    }),
    odd,
  )
})

test('a head that is none, contradicts itself or is of another format is refused', async () => {
  const head = (change: (head: any) => any) => forged(whole, { head: change })
  const withText = (text: string) =>
    archiveOf([{ name: 'lookaside-bundle.json', content: Buffer.from(text) }])
  const odd = /lookaside-bundle\.json is not as lookaside export writes it/
  for (const text of ['', 'null', '[]', '{}', '{"format":1}', '['.repeat(1_000_000)])
    await refused(withText(text), odd)
  const text = String(filesOf(whole)[0]?.content)
  await refused(withText(text.replace('{\n', '{\n "epoch": "x",\n')), odd)
  await refused(withText(text.replace('"count"', '"Count"')), odd)
  await refused(withText(text.replace('"format": 1', '"format": 2')), /format 2, which a newer lookaside/)
  for (const change of [
    { epoch: '../..' },
    { scope: 'all' },
    { from: { seq: 7, hash: '0'.repeat(64) } },
    { to: { seq: -1, hash: '0'.repeat(64) } },
    { to: { seq: 2 ** 60, hash: '0'.repeat(64) } },
    { signatures: { count: 3, parts: [] } },
  ])
    await refused(
      head((before) => ({ ...before, ...change })),
      odd,
    )
  await refused(
    head((before) => ({ ...before, signatures: { ...before.signatures, count: 4 } })),
    /it has 3 signatures and not 4/,
  )
  await refused(
    head((before) => ({ ...before, signatures: { ...before.signatures, count: 2 } })),
    /it has 3 signatures and not 2/,
  )
})

test('the signature of a bundle is handed on, and everything else is what it is over', async () => {
  const files = filesOf(whole)
  const content = Buffer.from('a signature')
  const bundle = await readBundle(
    piecesOf(
      archiveOf([
        files[0] as ArchivedFile,
        { name: 'lookaside-bundle.json.asc', content },
        ...files.slice(1),
      ]),
    ),
  )
  assert.deepEqual(bundle.headSignature, content)
  assert.deepEqual(bundle.headOctets, files[0]?.content)
  assert.deepEqual(bundle.head, headOf(files))
  assert.equal(await readParts(bundle), 3)
  assert.equal((await readBundle(piecesOf(whole))).headSignature, null)
})

test('a blob that two signatures share is in a part once', async () => {
  const store = newStore()
  const blob = newBlob()
  await store.upload(blob)
  await store.storage.append({
    ...((await store.storage.added(0, 1))[0] as never as object),
    home: { kind: 'repository', name: 'prod/app', digest: exampleDigest() },
    views: [],
    host: 'registry.example.com',
    checks: [],
    validBy: null,
  } as never)
  const bundle = await store.bundle()
  assert.equal(filesOf(bundle).length, 3)
  const target = newStore()
  assert.equal((await target.import(bundle)).added, 2)
  const two = forged(bundle, { lines: ([one, other]) => [one, { ...other, size: 5 }] })
  await refused(two, /two sizes for one blob/)
})
