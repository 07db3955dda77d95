import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { test } from 'node:test'
import { HeldBack } from '../../src/mirror/trouble.ts'
import { a1, a2, b1, deep, folder, mirrored } from './mirrored-tree.ts'
import { fileAt, row, sendListing, slotPath } from './tree-server.ts'

test('what cannot be read never looks gone, and the rest is copied', async () => {
  const { tree, add, round, same, held } = await mirrored([a1, a2, b1, deep])
  await round()
  const before = await held()
  for (const [status, path] of [
    [500, 'a/'],
    [403, 'team/'],
    [403, folder(a1)],
    [301, folder(a1)],
  ] as const) {
    tree.files.delete(b1)
    tree.odd.set(path, (_, response) => response.writeHead(status).end())
    await assert.rejects(
      round(),
      new RegExp(`answers ${status}.*at /${path.slice(0, -1)}.*nothing is taken away`),
    )
    tree.odd.delete(path)
    assert.deepEqual(await held(), before)
  }
  tree.odd.set('a/', (_, response) => response.destroy())
  add(slotPath('e', 1))
  await assert.rejects(round(), /cannot be asked/)
  assert.equal(Object.keys(await held()).length, 4)
  tree.odd.clear()
  await round()
  await same()
})

test('a slot that is answered with anything but 200 and 404 is trouble, and the message tells what a bucket needs', async () => {
  const { tree, round, same } = await mirrored([a1, b1])
  await round()
  tree.files.set(b1, fileAt(b1, { age: 0 }))
  tree.odd.set(b1, (_, response) => response.writeHead(403).end())
  await assert.rejects(round(), /answers 403, where it must answer 404 .* a bucket/)
  tree.odd.set(b1, (_, response) => response.writeHead(204).end())
  await assert.rejects(round(), /answers 204, where clients know 200 and 404/)
  tree.odd.clear()
  await round()
  await same()
})

test('a slot that is longer than clients read is refused and counted, and keeps nothing else from going', async () => {
  const { tree, round, same, status, add } = await mirrored([a1, b1, deep])
  await round()
  tree.asked()
  const long = slotPath('e', 1)
  const blob = Buffer.alloc(4 * 1024 * 1024 + 1)
  tree.files.set(long, { blob, modified: Date.now() - 3600_000 })
  tree.files.set(slotPath('e', 2), fileAt(slotPath('e', 2)))
  tree.files.delete(b1)
  await round()
  assert.deepEqual(status().refused, { 'too-large': 1 })
  assert.ok(tree.asked().includes(slotPath('e', 2)))
  // As anything that was refused, it is not fetched again.
  await round()
  assert.ok(!tree.asked().some((path) => path.includes('signature-')))
  assert.deepEqual(status().refused, { 'too-large': 1 })
  tree.files.delete(long)
  tree.files.delete(slotPath('e', 2))
  add(a2)
  await round()
  await same()
})

test('a sign-in page of any length is none, and a listing that is too long is trouble', async () => {
  const { tree, round, held } = await mirrored([a1, b1])
  await round()
  const before = await held()
  const endless =
    (type: string): RequestListener =>
    (_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, ' ')
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more).writeHead(200, { 'content-type': type })
      more()
    }
  tree.files.set(b1, fileAt(b1, { age: 0 }))
  tree.odd.set(b1, endless('text/html'))
  await assert.rejects(round(), /answers with a page/)
  tree.odd.clear()
  tree.odd.set(folder(b1), endless('text/html'))
  await assert.rejects(round(), /longer than \d+ bytes/)
  assert.deepEqual(await held(), before)
})

test('a page with status 200 in place of everything makes nothing look gone', async () => {
  const { tree, round, same, held } = await mirrored([a1, a2, b1])
  await round()
  const before = await held()
  const page: RequestListener = (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('\n<!doctype html><h1>Sign in</h1>')
  for (const path of [...tree.files.keys(), '', 'team/', folder(a1), folder(b1)]) tree.odd.set(path, page)
  await assert.rejects(round(), /answers with a page, .* where a signature or 404 is wanted/)
  tree.odd.delete(folder(a1))
  tree.odd.delete('team/')
  tree.odd.delete('')
  tree.files.set(a1, fileAt(a1, { age: 0 }))
  await assert.rejects(round(), /answers with a page/)
  assert.deepEqual(await held(), before)
  tree.odd.clear()
  await round()
  await same()
})

test('a folder of just as many names as Caddy shows is not taken for all there is', async () => {
  const { tree, round } = await mirrored([a1])
  const rows = Array.from({ length: 9999 }, (_, index) => row(`f${index}`))
  tree.odd.set('team/', (_, response) =>
    sendListing([...rows, row(folder(a1).slice('team/'.length))], response),
  )
  await assert.rejects(round(), /set file_limit higher/)
})

test('a source that has lost nearly everything is held back', async () => {
  const { tree, round, held } = await mirrored(
    [...'0123456789ab'].map((letter) => slotPath(letter, 1, 'team/app@')),
  )
  await round()
  tree.files.clear()
  await assert.rejects(round(), HeldBack)
  assert.equal(Object.keys(await held()).length, 12)
})

test('links that lead anywhere but one level down are not followed', async () => {
  const { tree, round, same } = await mirrored([a1])
  const location = folder(a1).slice('team/'.length, -1)
  const hostile = [
    ...['..%2f..%2fetc/', '../', '//evil.example/x/', '/', '/signatures/', '/signatures/elsewhere/', '/etc/'],
    ...[
      'http://evil.example/x/',
      'https:x/',
      'javascript:alert(1)/',
      'x?y/',
      '?C=N',
      'x%3fy/',
      'a/b/',
      'a%2fb/',
    ],
    ...['Upper/', 'nul%00/', 'nul\0/', 'back\\slash/', '%61%zz/', '.%2e/', './', './/', '.hidden/', '-dash/'],
    ...[
      `${'x'.repeat(300)}/`,
      `${'%78'.repeat(300)}/`,
      'ünder/',
      '&#46;&#46;/',
      'double%252e/',
      'file',
      'a b/',
    ],
    ...[`${location.toUpperCase()}/`, `${location}0/`, `${location.replace('@', '%2540')}/`, 'x@sha256=aa/'],
  ]
  const rows = hostile.map((href) => `<a href="${href}">${href}</a>\n`)
  const long = `<a href="${'y'.repeat(10_000_000)}/">`
  const none = [
    '<a>',
    '<a href>',
    '<a href="">',
    '<!-- <a href="comment/"> -->',
    '<script><a href="script/"></script>',
  ]
  const folders = [...rows, long, '</a>', ...none, '</a>', row(`${location}/`)]
  tree.odd.set('team/', (_, response) => sendListing(folders, response))
  const slots = [
    'signature-01',
    'signature-0',
    'signature-128',
    'signature--1',
    'signature-1/',
    'signature-1.sig',
  ]
  tree.odd.set(folder(a1), (_, response) =>
    sendListing([...rows, ...[...slots, 'signature-1'].map((name) => row(name))], response),
  )
  await round()
  assert.deepEqual(tree.asked(), ['', 'team/', folder(a1), a1].sort())
  await same()
})

test('links that lead round in a circle end', async () => {
  const { tree, add, round, held } = await mirrored([a1])
  add(slotPath('b', 1, 'other/app@'))
  const rows = [row('loop/'), row(folder(a1).slice('team/'.length))]
  tree.endless = (path) => (/^team\/(?:loop\/)*$/.test(path) ? rows : null)
  await round()
  const asked = tree.asked().filter((path) => path.includes('loop'))
  assert.ok(asked.length < 6, asked.join('\n'))
  assert.equal(Object.keys(await held()).length, 2)
})

test('folders without end are given up, and what was copied stays', async () => {
  const { tree, round, held } = await mirrored([a1], { maxFolders: 500 })
  await round()
  tree.asked()
  let count = 0
  const names = Array.from({ length: 20 }, (_, index) => `${index}/`)
  tree.endless = (path) =>
    /^(?:[0-9]+\/)*$/.test(path) ? names.map((name) => row(name, `${count++}`)) : null
  await assert.rejects(round(), /more than 500 folders/)
  assert.ok(tree.asked().length < 1000)
  assert.equal(Object.keys(await held()).length, 1)
})

test('a page that is no listing is told apart from an empty one', async () => {
  const { tree, round } = await mirrored([a1])
  tree.odd.set('', (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('[]'))
  await assert.rejects(round(), /no listing/)
  tree.odd.set('', (_, response) => response.writeHead(404).end())
  await assert.rejects(round(), /answers 404, and no listing: .* name the images/)
})

test('a source that asks for a rest gets it at once', async () => {
  const paths = [...'0123456789abcdef'].map((letter) => slotPath(letter, 1))
  const { tree, round } = await mirrored(paths)
  for (const path of paths)
    tree.odd.set(path, (_, response) => response.writeHead(429, { 'retry-after': '17' }).end())
  await assert.rejects(round(), { name: 'SourceTrouble', retryAfterSeconds: 17 })
  assert.ok(tree.asked().length < 30)
})
