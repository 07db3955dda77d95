import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { test } from 'node:test'
import { digestOf } from '../manifests/layout.ts'
import { amd, arm, index, late, lone, mirrored, pathOf, registryOf } from './mirrored-images.ts'

test('images are found by tag, by digest and with what their indexes list', async () => {
  const { tree, sign, name, round, hasOnly, asked } = await mirrored({ 1: index, 2: lone, 3: late })
  sign(index, amd, arm, lone, late)
  name(
    '# what production runs',
    'REGISTRY/team/app:1 # the index',
    '',
    `REGISTRY/team/app:2@${digestOf(lone)}`,
    'REGISTRY/team/app:1',
  )
  await round()
  await hasOnly(index, amd, arm, lone)
  assert.ok(!tree.asked().some((path) => path.includes(pathOf(late))))
  asked()
  // What a digest consists of is known; only tags are asked for, without their manifests.
  await round()
  assert.deepEqual(new Set(asked()), new Set(['GET /v2/', 'HEAD /v2/team/app/manifests/1']))
  const slots = [index, amd, arm, lone].flatMap((manifest) =>
    [1, 2].map((slot) => `${pathOf(manifest)}/signature-${slot}`),
  )
  assert.deepEqual(tree.asked(), slots.sort())
})

test('a repository alone stands for all its tags, however many pages they take', async () => {
  const beside = `sha256-${'a'.repeat(64)}.sig`
  const { sign, name, round, hasOnly, tags, asked } = await mirrored({
    1: index,
    2: lone,
    3: late,
    [beside]: late,
    z: amd,
  })
  sign(index, amd, arm, lone, late)
  name('REGISTRY/team/app')
  await round()
  await hasOnly(index, amd, arm, lone, late)
  assert.ok(!asked().includes(`HEAD /v2/team/app/manifests/${beside}`))
  delete tags[3]
  delete tags[beside]
  await round()
  await hasOnly(index, amd, arm, lone)
})

test('what is named no more goes, and a tag that moves takes its signatures along', async () => {
  const { sign, name, round, hasOnly, tags } = await mirrored({ 1: index, 2: lone })
  sign(index, amd, arm, lone, late)
  name('REGISTRY/team/app:1', 'REGISTRY/team/app:2')
  await round()
  name('REGISTRY/team/app:1')
  await round()
  await hasOnly(index, amd, arm)
  tags[1] = lone
  name('REGISTRY/team/app:1', `REGISTRY/team/app@${digestOf(amd)}`, `REGISTRY/team/app@${digestOf(arm)}`)
  await round()
  await hasOnly(lone, amd, arm)
})

test('what a source has no more goes, and what it adds or changes in place comes', async () => {
  const { tree, sign, name, round, hasOnly, held } = await mirrored({ 1: index, 2: lone })
  sign(index, amd, arm, lone)
  name('REGISTRY/team/app')
  await round()
  const first = `${pathOf(lone)}/signature-1`
  const { blob = Buffer.alloc(0), modified = 0 } = tree.files.get(first) ?? {}
  sign(lone)
  Object.assign(tree.files.get(first) ?? {}, { modified: modified + 1000 })
  assert.equal(tree.files.get(first)?.blob.length, blob.length)
  tree.files.delete(`${pathOf(amd)}/signature-1`)
  await round()
  await hasOnly(index, arm, lone)
  tree.files.set(`${pathOf(lone)}/signature-2`, { blob, modified })
  await round()
  assert.equal((await held())[pathOf(lone)]?.length, 2)
})

test('an image that cannot be resolved never makes signatures look gone, and the others are copied', async () => {
  let odd: RequestListener | null = null
  const { sign, name, round, hasOnly, tags } = await mirrored({ 1: index, 2: lone }, { odd: () => odd })
  sign(index, amd, arm, lone, late)
  name('REGISTRY/team/app:1', 'REGISTRY/team/app:2', `REGISTRY/team/app@${digestOf(amd)}`)
  await round()
  const all = [index, amd, arm, lone]
  delete tags[2]
  tags[3] = late
  name('REGISTRY/team/app:1', 'REGISTRY/team/app:2', 'REGISTRY/team/app:3')
  await assert.rejects(
    round(),
    /team\/app:2 cannot be resolved: .* is not in the registry: nothing is taken away/,
  )
  await hasOnly(...all, late)
  odd = (_, response) => response.writeHead(503).end()
  await assert.rejects(round(), /\/v2\/ answered 503, and 2 more such troubles: nothing is taken away/)
  odd = (_, response) => response.destroy()
  await assert.rejects(round(), /nothing is taken away/)
  await hasOnly(...all, late)
})

test('what is known by its digest needs no registry any more', async () => {
  let odd: RequestListener | null = null
  const { sign, name, round, hasOnly } = await mirrored({ 1: index }, { odd: () => odd })
  sign(index, amd, arm)
  name(`REGISTRY/team/app@${digestOf(index)}`)
  await round()
  odd = (_, response) => response.destroy()
  sign(arm)
  await round()
  await hasOnly(index, amd, arm)
})

test('a source that fails makes nothing look gone', async () => {
  const { tree, sign, name, round, hasOnly } = await mirrored({ 1: index, 2: lone })
  sign(index, amd, arm, lone)
  name('REGISTRY/team/app')
  await round()
  tree.odd.set(`${pathOf(lone)}/signature-1`, (_, response) => response.writeHead(403).end())
  await assert.rejects(round(), /answers 403, where it must answer 404/)
  await hasOnly(index, amd, arm, lone)
})

test('a line that names no image, or a file that is not there, stops the round before it begins', async () => {
  const { sign, name, round, hasOnly } = await mirrored({ 1: index })
  sign(index, amd, arm)
  await assert.rejects(round(), { code: 'configuration', message: /images-\d+ cannot be read: ENOENT/ })
  name('REGISTRY/team/app:1')
  await round()
  name('REGISTRY/team/app:1', '', 'https://REGISTRY/team/app')
  await assert.rejects(round(), { code: 'bad-reference', message: /images-\d+, line 3: / })
  await hasOnly(index, amd, arm)
})

test('lists of tags that lead elsewhere, have no end or are none are refused', async () => {
  let answer: unknown = {}
  let link = ''
  const { name, round, registry } = await mirrored(
    {},
    {
      odd:
        () =>
        ({ url }, response) => {
          if (url === '/v2/') return response.end('{}')
          if (link) response.setHeader('link', link)
          return response.end(JSON.stringify(answer))
        },
    },
  )
  name('REGISTRY/team/app')
  for (const none of [{}, { tags: 7 }, { tags: [7] }, 'x']) {
    answer = none
    await assert.rejects(round(), /answered without a list of tags/)
  }
  answer = { tags: [] }
  for (link of [
    '<https://127.0.0.1:1/v2/team/app/tags/list>; rel="next"',
    '</v2/other/app/tags/list?n=1>; rel="next"',
    '</v2/team/app/tags/list/../../../../_catalog?n=1>; rel=next',
  ])
    await assert.rejects(round(), /says that the list of tags of team\/app goes on at/)
  registry.asked.length = 0
  link = '</v2/team/app/tags/list?last=z>; rel="next"'
  await assert.rejects(round(), /list of tags of team\/app has no end/)
  assert.ok(registry.asked.length < 10)
  answer = { tags: null }
  link = ''
  await round()
})

test('a registry that does not tell the digest of a tag is asked for the manifest', async () => {
  const tags = { 1: index, 2: lone }
  const odd: RequestListener = (request, response) =>
    request.method === 'HEAD' ? response.end() : registryOf(tags)(request, response)
  const { sign, name, round, hasOnly } = await mirrored(tags, { odd: () => odd })
  sign(index, amd, arm, lone)
  name('REGISTRY/team/app')
  await round()
  await hasOnly(index, amd, arm, lone)
})

test('a source that answers everything with a page is told of', async () => {
  const { tree, sign, name, round, hasOnly } = await mirrored({ 1: lone })
  sign(lone)
  name('REGISTRY/team/app:1')
  await round()
  const second = `${pathOf(lone)}/signature-2`
  tree.odd.set(second, (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>'),
  )
  await assert.rejects(round(), /answers with a page/)
  await hasOnly(lone)
})
