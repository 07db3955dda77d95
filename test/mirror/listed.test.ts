import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { listedIn } from '../../src/mirror/listed.ts'

const hex = 'a'.repeat(64)

/** Pages as these servers write them, shortened where they say nothing of files. */
const pages: Record<string, { page: string; shown: [string, string] }> = {
  nginx: {
    page: `<html>
<head><title>Index of /team/</title></head>
<body>
<h1>Index of /team/</h1><hr><pre><a href="../">../</a>
<a href="app%40sha256%3D${hex}/">app@sha256=${'a'.repeat(36)}..&gt;</a> 25-Nov-2026 21:25                   -
<a href="signature-1">signature-1</a>                                        25-Nov-2026 21:25                 566
</pre><hr></body>
</html>`,
    shown: ['25-Nov-2026 21:25 -', '25-Nov-2026 21:25 566'],
  },
  apache: {
    page: `<table><tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td valign="top"><img src="/icons/back.gif"></td><td><a href="/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td valign="top"><img src="/icons/folder.gif" alt="[DIR]"></td><td><a href="app@sha256=${hex}/">app@sha2..&gt;</a></td><td align="right">2026-11-25 21:25  </td><td align="right">  - </td></tr>
<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="signature-1">signature-1</a></td><td align="right">2026-11-25 21:25  </td><td align="right">566 </td></tr>
</table><address>Apache/2.4.71 (Debian) Server at 127.0.0.1 Port 80</address>`,
    shown: ['2026-11-25 21:25 -', '2026-11-25 21:25 566'],
  },
  caddy: {
    page: `<table><tbody><tr><td></td><td><a href=".."><span class="goup">Go up</span></a></td></tr>
<tr class="file"><td></td><td><a href="./app@sha256=${hex}/"><svg width="1.5em"><use xlink:href="#folder"></use></svg>
<span class="name">app@sha256</span></a></td><td data-order="-1">&mdash;</td>
<td class="hideable"><time datetime=" 2026-11-25T21:25:26Z">11/25/2026 09:25:26 PM +00:00</time></td></tr>
<tr class="file"><td></td><td><a href="./signature-1"><span class="name">signature-1</span></a></td>
<td data-order="566">566 B</td><td class="hideable"><time>11/25/2026 09:25:26 PM +00:00</time></td></tr></tbody></table>
<footer>Served with <a rel="noopener noreferrer" href="https://caddyserver.com">Caddy</a></footer>`,
    shown: ['11/25/2026 09:25:26 PM +00:00', '566 B 11/25/2026 09:25:26 PM +00:00'],
  },
  python: {
    page: `<ul>
<li><a href="app%40sha256%3D${hex}/">app@sha256=${hex}/</a></li>
<li><a href="signature-1">signature-1</a></li>
</ul><hr> 12:30`,
    shown: ['', ''],
  },
}

for (const [server, { page, shown }] of Object.entries(pages))
  test(`what ${server} lists is read, with its times`, () => {
    assert.deepEqual(listedIn(Buffer.from(page), '/team/'), [
      { name: `app@sha256=${hex}`, isFolder: true, shown: shown[0] },
      { name: 'signature-1', isFolder: false, shown: shown[1] },
    ])
  })

test('a link is read as browsers read it: any case, any quotes, entities once, escapes once', () => {
  const page = `<A HREF='a/'>1</A><a class=x href = b/ >2</a><a title='<a href="no/">' href="c&#47;">3</a><a
    data-x="1" href="%64/#top">4</a><a href=e/ href=no/>5</a><a href="&amp;lt;/">6</a><!-- <a href="no/"> --><a href="f/"`
  assert.deepEqual(
    listedIn(Buffer.from(page), '/').map(({ name }) => name),
    ['a', 'b', 'c', 'd', 'e'],
  )
})

/** A parser that keeps the open elements takes hours with the first of these. */
test('a page of anything takes time in proportion to its size', () => {
  const size = 4 * 1024 * 1024
  for (const piece of [
    '<b>',
    '</b>',
    '<a>',
    '<a href="x/',
    '<a href="&amp;',
    '&amp;',
    '<',
    '<!--',
    '<svg><title>',
    'a ',
    '\0',
  ]) {
    const began = performance.now()
    listedIn(Buffer.alloc(size, piece), '/')
    const took = performance.now() - began
    assert.ok(took < 15_000, `${piece}: ${took} ms`)
  }
})

test('a link of ten megabytes is left out, and more names than anybody has are refused', () => {
  const long = Buffer.concat([
    Buffer.from('<a href="'),
    Buffer.alloc(10_000_000, 'y'),
    Buffer.from('/">y</a><a href="x/">'),
  ])
  assert.deepEqual(
    listedIn(long, '/').map(({ name }) => name),
    ['x'],
  )
  assert.throws(() => listedIn(Buffer.alloc(16_000_000, '<a href=b/> '), '/'), /more than 300000 names/)
})

test('rows are read whole, wherever the page is cut while it is read', () => {
  const row = (name: string) => `<a href="${name}&#47;">${name}</a>  25-Nov-2026 21:25   -\n`
  const names = Array.from({ length: 5000 }, (_, index) => `${'n'.repeat(index % 97)}${index.toString(36)}`)
  const page = names.map(row).join('')
  assert.ok(page.length > 4 * 64 * 1024)
  const expected = names.map((name) => ({ name, isFolder: true, shown: '25-Nov-2026 21:25 -' }))
  for (const padding of [0, 1, 7, 31, 64])
    assert.deepEqual(listedIn(Buffer.from(' '.repeat(padding) + page), '/'), expected)
})

/** Rows of anything but names, which cost many times their length where they are kept until the page is read. */
test('a page of the largest size is read with little more memory than its names need', async () => {
  const script = `
    import { listedIn } from '${new URL('../../src/mirror/listed.ts', import.meta.url)}'
    const page = Buffer.alloc(75000 * 310)
    for (let i = 0; i < 75000; i++) page.write(('<a href=a' + i + '/></a>' + '</b>'.repeat(72)).padEnd(310), i * 310)
    console.log(page.length, listedIn(page, '/').length)`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=60',
    '--input-type=module',
    '--eval',
    script,
  ])
  const [size, names] = stdout.split(' ').map(Number)
  assert.ok(Number(size) > 22_000_000)
  assert.equal(names, 75_000)
})
