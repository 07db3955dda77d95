import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { eventually } from '../eventually.ts'
import { type Answer, ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'

const hex = exampleDigest().slice(7)
const day = Date.UTC(2024, 1, 29, 12, 34, 56)

/** A data folder of which nothing is new. */
async function oldData(fill: (storage: ReturnType<typeof openSqlite>) => Promise<unknown>): Promise<string> {
  const dataFolder = temporaryFolder(() => server.close())
  const storage = openSqlite({ dataFolder, clock: () => day })
  await fill(storage)
  await storage.close()
  return dataFolder
}

const repository = (name: string, digest = exampleDigest()) =>
  ({ kind: 'repository', name: name as never, digest }) as const
const one = newSignature({ home: repository('team/app') })
const data = await oldData(async (storage) => {
  await storage.append(one)
  for (const name of ['team/app', 'team/app/sub', 'team/other', 'a-b.c__d/x'])
    await storage.append(newSignature({ home: repository(name) }))
})
const server = await testServer({
  data,
  digestViews: [{ base: 'release' as never, repositories: ['team/**' as never] }],
})

const hrefsOf = (answer: Answer) =>
  Array.from(answer.body.toString().matchAll(/<a href="([^"]*)">/g), ([, href]) => href as string)

const get = (path: string, headers: Record<string, string> = {}) => ask(server, 'GET', path, { headers })

test('a listing is a page like those of nginx: a link a line, with time and size, and a way up', async () => {
  const { status, headers, body } = await get(`/signatures/team/app@sha256=${hex}/`)
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['cache-control'], 'no-cache')
  const lines = body.toString().split('<pre>\n')[1]?.split('\n')
  assert.deepEqual(lines?.slice(0, 4), [
    '<a href="../">../</a>',
    '<a href="signature-1">signature-1</a>                 29-Feb-2024 12:34      60',
    '<a href="signature-2">signature-2</a>                 29-Feb-2024 12:34      60',
    '</pre>',
  ])
  const team = await get('/signatures/team/')
  assert.match(team.body.toString(), /<title>Index of \/signatures\/team\/<\/title>/)
  assert.match(team.body.toString(), /<a href="app\/">app\/<\/a> +29-Feb-2024 12:34 +-\n/)
  assert.deepEqual(
    new Set(hrefsOf(team)),
    new Set(['../', 'app/', `app@sha256=${hex}/`, `other@sha256=${hex}/`]),
  )
  assert.ok(!hrefsOf(await get('/signatures/')).includes('../'))
})

test('links followed from the top lead to every slot, by the URL that clients ask for', async () => {
  const found: string[] = []
  const walk = async (path: string): Promise<void> => {
    const answer = await get(path)
    assert.equal(answer.status, 200, path)
    if (!path.endsWith('/')) return void found.push(path)
    for (const href of hrefsOf(answer)) {
      const { pathname } = new URL(href, `http://localhost${path}`)
      if (pathname.startsWith(path)) await walk(pathname)
    }
  }
  await walk('/signatures/')
  const storage = openSqlite({ dataFolder: data, create: false })
  const wanted: string[] = []
  for (const { location } of await storage.locations(0, 100)) {
    const directory = `${location.name}${location.kind === 'view' ? '/' : '@'}${location.digest.replace(':', '=')}`
    for (const { slot } of await storage.slots(location))
      wanted.push(`/signatures/${directory}/signature-${slot}`)
  }
  await storage.close()
  assert.equal(wanted.length, 9)
  assert.deepEqual(found.toSorted(), wanted.toSorted())
})

test('who prefers JSON gets the same as JSON, and caches know that there are two', async () => {
  const path = `/signatures/team/app@sha256=${hex}/`
  const accept = (text: string) => get(path, { accept: text })
  const { headers, body, json } = await accept('application/json')
  assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  const modified = '2024-02-29T12:34:56.000Z'
  const { path: named, entries } = json()
  assert.equal(named, `team/app@sha256=${hex}`)
  assert.deepEqual(entries[0], { name: 'signature-1', kind: 'slot', modified, size: 60, sha256: one.sha256 })
  assert.equal(entries.length, 2)
  assert.equal(headers.vary, 'Accept')
  assert.equal((await get(path)).headers.vary, 'Accept')
  assert.deepEqual((await get('/signatures/release/', { accept: 'application/json' })).json(), {
    path: 'release',
    entries: [{ name: `sha256=${hex}`, kind: 'folder', modified: (await changedView()).modified }],
  })
  for (const text of ['application/json, */*', 'text/html;q=0.5, application/json', 'application/*'])
    assert.deepEqual((await accept(text)).body, body, text)
  const html = (await get(path)).body
  const asksForHtml = ['*/*', 'text/html,application/xhtml+xml,*/*;q=0.8', 'application/json;q=0', 'x', '']
  for (const text of asksForHtml) assert.deepEqual((await accept(text)).body, html, text)
})

const changedView = async () =>
  (await get('/signatures/', { accept: 'application/json' }))
    .json()
    .entries.find(({ name }: { name: string }) => name === 'release')

test('without the slash at its end, a folder is where it leads by a relative way, without the query', async () => {
  const forms = {
    '/signatures': './signatures/',
    '/signatures?C=N': './signatures/',
    '/signatures/team': './team/',
    '/signatures/team/app?x=/y': './app/',
    '/signatures//team//app': './app/',
    '/signatures/team%2Fapp': './team%2Fapp/',
    [`/signatures/team/app@sha256=${hex}`]: `./app@sha256=${hex}/`,
    [`/signatures/team/app%40sha256%3D${hex}`]: `./app%40sha256%3D${hex}/`,
    'http://localhost/signatures/team': './team/',
  }
  for (const [path, wanted] of Object.entries(forms))
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await ask(server, method, path)
      assert.deepEqual([status, headers.location, body.length], [301, wanted, 0], path)
      const target = new URL(
        headers.location as string,
        `http://localhost${path.replace('http://localhost', '')}`,
      )
      assert.equal((await get(target.pathname)).status, 200)
    }
  for (const path of [
    '/signatures//team/',
    '/signatures/team%2F',
    '/signatures/team/?C=N;O=D',
    '/signatures/?',
  ])
    assert.equal((await get(path)).status, 200, path)
})

test('what is no folder is the 404 of slots', async () => {
  for (const path of ['tea', 'nothing', 'nothing/', 'team/signature-1', '..%2f', 'team/app/sub/x/'])
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await ask(server, method, `/signatures/${path}`)
      assert.deepEqual([status, body.length, headers['content-type']], [404, 0, undefined], path)
    }
})

test('HEAD has the headers of GET and no body', async () => {
  for (const path of ['/signatures/', '/signatures/team/', `/signatures/team/app@sha256=${hex}/`])
    for (const accept of ['text/html', 'application/json']) {
      const names = [
        'content-type',
        'etag',
        'last-modified',
        'vary',
        'cache-control',
        'content-security-policy',
      ]
      const of = ({ status, headers }: Answer) => [status, ...names.map((name) => headers[name])]
      // What is new stops being so between the two, once.
      await eventually(async () => {
        const head = await ask(server, 'HEAD', path, { headers: { accept } })
        assert.equal(head.body.length, 0)
        return isDeepStrictEqual(of(head), of(await get(path, { accept })))
      })
    }
})

test('the page runs, loads and sends nothing, and its style is the one that its policy names', async () => {
  const { headers, body } = await get('/signatures/')
  const policy = String(headers['content-security-policy'])
  const style = /<style>(.*)<\/style>/s.exec(body.toString())?.[1] as string
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(style))
  assert.match(policy, /^default-src 'none'; /)
  assert.ok(policy.includes(`style-src 'sha256-${Buffer.from(digest).toString('base64')}'`))
  assert.doesNotMatch(body.toString(), /<script|<link|\sstyle=|\son[a-z]+=/)
})

test('a client that has a listing is answered 304, by tag first and by the date that it was sent else', async () => {
  const path = `/signatures/team/app@sha256=${hex}/`
  const { headers } = await get(path)
  const etag = String(headers.etag)
  const modified = String(headers['last-modified'])
  assert.equal(modified, new Date(day).toUTCString())
  const status = async (headers: Record<string, string>) => (await get(path, headers)).status
  assert.equal(await status({ 'If-None-Match': etag }), 304)
  assert.equal(await status({ 'If-None-Match': `"x", ${etag.slice(2)}` }), 304)
  assert.equal(await status({ 'If-None-Match': '*' }), 304)
  assert.equal(await status({ 'If-None-Match': '"x"' }), 200)
  assert.equal(await status({ 'If-None-Match': '"x"', 'If-Modified-Since': modified }), 200)
  assert.equal(await status({ 'If-Modified-Since': modified }), 304)
  // After a restore of an older backup.
  assert.equal(await status({ 'If-Modified-Since': new Date().toUTCString() }), 200)
  assert.equal(await status({ 'If-None-Match': etag, accept: 'application/json' }), 200)
  const { body, headers: shown } = await get(path, { 'If-None-Match': etag })
  assert.equal(body.length, 0)
  assert.equal(shown.etag, etag)
})

test('where reads are private, listings need a token: for an image that of its repository, above one for all', async () => {
  const own = await testServer({ reads: { cacheSeconds: 60, private: true } })
  const push = await own.token('push:**')
  await ask(own, 'POST', '/api/v1/signatures', { token: push, body: newBlob() })
  const status = async (path: string, ...scopes: string[]) =>
    (await ask(own, 'GET', path, scopes.length ? { token: await own.token(...scopes) } : {})).status
  const image = `/signatures/team/app@sha256=${hex}/`
  for (const path of ['/signatures/', '/signatures', '/signatures/team/', image, '/signatures/nothing/']) {
    assert.equal(await status(path), 401, path)
    assert.equal(await status(path, 'push:**'), 403, path)
  }
  assert.equal(await status(image, 'read:team/*'), 200)
  assert.equal(await status(image, 'read:other/**'), 403)
  assert.equal(await status('/signatures/team/', 'read:team/**'), 403)
  assert.equal(await status('/signatures/team/', 'read:**'), 200)
  assert.equal(await status('/signatures/', 'admin'), 200)
  const { headers } = await ask(own, 'GET', image, { token: await own.token('read:**') })
  assert.equal(headers['cache-control'], 'private, max-age=60')
  // Clients that read signatures bring no token, whatever they ask for.
  assert.equal(await status(`${image}signature-1`), 200)
  for (const none of [`${image}signature-2`, `${image}signature-128`, `/signatures/x@md5=${hex}/signature-1`])
    assert.equal(await status(none), 404, none)
})
