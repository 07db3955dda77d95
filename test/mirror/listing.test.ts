import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePattern } from '../../src/access/pattern.ts'
import { listingSource } from '../../src/mirror/listing.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { ask, testServer } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { a1, a2, a3, b1, deep, folder, mirrored } from './mirrored-tree.ts'
import { newStaticCopy } from './static-copy.ts'
import { type File, row, sendListing, slotPath } from './tree-server.ts'

const anHour = 3600_000

test('a tree is copied with all that is below it, and a second round asks for listings alone', async () => {
  const { tree, round, same } = await mirrored([a1, a2, b1, deep])
  await round()
  await same()
  const listings = ['', 'a/', 'a/b.c/', 'a/b.c/d_e/', 'team/', folder(a1), folder(b1), folder(deep)]
  assert.deepEqual(tree.asked(), [...listings, a1, a2, b1, deep].sort())
  await round()
  await same()
  assert.deepEqual(tree.asked(), listings.sort())
})

test('what is added, withdrawn and added again is followed', async () => {
  const { tree, add, round, same } = await mirrored([a1, a2, b1, deep])
  await round()
  add(a3)
  add(slotPath('d', 1))
  tree.files.delete(b1)
  await round()
  await same()
  tree.files.delete(slotPath('d', 1))
  add(b1)
  await round()
  await same()
})

test('a slot that changes to another of the same size is followed, within a minute and within a second', async () => {
  for (const [age, later] of [
    [0, 0],
    [40_000, 1000],
  ] as const) {
    const { tree, add, round, same } = await mirrored([a1, a2, b1], { age })
    const { modified, blob } = tree.files.get(a1) as File
    // It is as old as that however long a round takes.
    tree.clock = () => modified + age
    await round()
    add(a1)
    Object.assign(tree.files.get(a1) ?? {}, { modified: modified + later })
    assert.equal(tree.files.get(a1)?.blob.length, blob.length)
    await round()
    await same()
  }
})

test('the last slot is found where it was renamed to, though time and size look as before', async () => {
  const { tree, round, same } = await mirrored([a1, a2, a3])
  const modified = Date.now() - anHour
  for (const file of tree.files.values()) file.modified = modified
  await round()
  await same()
  tree.files.set(a1, tree.files.get(a3) as never)
  tree.files.delete(a3)
  await round()
  await same()
})

test('slots beyond a hole are those that clients do not find', async () => {
  const { tree, round, held } = await mirrored([a1, a3])
  await round()
  assert.equal((await held())[folder(a1).slice(0, -1)]?.length, 1)
  assert.ok(!tree.asked().includes(a3))
})

test('what a listing leaves out is asked for before it is taken for gone', async () => {
  const { tree, round, same, held } = await mirrored([a1, a2, b1, deep])
  await round()
  tree.odd.set('team/', (_, response) => sendListing([row(folder(b1).slice('team/'.length))], response))
  tree.odd.set('a/', (_, response) => sendListing([], response))
  await round()
  await same()
  tree.odd.set(folder(b1), (_, response) => sendListing([], response))
  await round()
  await same()
  tree.odd.clear()
  tree.files.delete(deep)
  await round()
  assert.equal(Object.keys(await held()).length, 2)
})

test('a digest view is read where no repository has the digest, and its claims say where it belongs', async () => {
  const view = slotPath('d', 1, 'openshift/release/')
  const top = slotPath('e', 1, '')
  const { tree, add, round, held, status } = await mirrored([
    a1,
    slotPath('a', 1, 'openshift/release/'),
    view,
    top,
  ])
  await round()
  const places = Object.keys(await held()).sort()
  assert.deepEqual(
    places,
    [a1, slotPath('d', 1), slotPath('e', 1)].map((path) => folder(path).slice(0, -1)),
  )
  assert.ok(!tree.asked().some((path) => path.startsWith(folder(slotPath('a', 1, 'openshift/release/')))))
  tree.files.set(slotPath('f', 1, ''), { blob: Buffer.from('junk'), modified: Date.now() - anHour })
  await round()
  assert.deepEqual(status().refused, { 'not-openpgp': 1 })
  tree.files.delete(top)
  add(slotPath('d', 1))
  await round()
  assert.equal((await held())[folder(slotPath('d', 1)).slice(0, -1)]?.length, 1)
  assert.ok(!(folder(slotPath('e', 1)).slice(0, -1) in (await held())))
})

test('what is refused is not read again in each round, but once a day', async () => {
  let now = Date.now()
  const { tree, round, status } = await mirrored([b1], { clock: () => now })
  tree.files.set(a1, { blob: newBlob(), modified: Date.now() - anHour })
  tree.files.set(a2, { blob: Buffer.from('<html>'), modified: Date.now() - anHour })
  await round()
  tree.asked()
  await round()
  assert.ok(!tree.asked().includes(a2))
  assert.deepEqual(status().refused, { 'not-openpgp': 1 })
  now += 25 * anHour
  await round()
  assert.ok(tree.asked().includes(a2))
  assert.deepEqual(status().refused, { 'not-openpgp': 2 })
})

test('what is refused only now is still what the source has, and not taken away for that', async () => {
  const { storage, tree, round, status } = await mirrored([a1, b1])
  await round()
  const contributed = () => storage.unconfirmed(`mirror:${tree.from}`, Number.MAX_SAFE_INTEGER, 10)
  const all = await contributed()
  assert.equal(all.length, 2)
  const [{ id } = assert.fail()] = await storage.standing({ ...all[0], after: 0, limit: 1 })
  const { signer } = (await storage.find(id)) ?? assert.fail()
  const fingerprint = signer?.unverifiedFingerprint ?? assert.fail()
  await storage.banKey({ fingerprint, time: Date.now(), actor: 'test', reason: 'test' })
  for (const file of tree.files.values()) file.modified += 60_000
  await round()
  assert.deepEqual(status().refused, { 'key-banned': 2 })
  assert.deepEqual(await contributed(), all)
})

test('what is here no more is read anew, though the source has not changed', async () => {
  const { storage, round, same, tree } = await mirrored([a1, a2, b1])
  await round()
  const source = `mirror:${tree.from}`
  const keys = await storage.unconfirmed(source, Number.MAX_SAFE_INTEGER, 10)
  await storage.retract(source, keys, { actor: 'test', reason: null, graceSeconds: 0 })
  await round()
  await same()
})

test('links with the whole path, as some servers write them, are followed', async () => {
  const { tree, round, same } = await mirrored([a1])
  const link = (path: string) => `<li><a href="/signatures/${path.replace('@', '%40')}">x</a></li>`
  tree.odd.set('', (_, response) => sendListing([link('team/')], response))
  tree.odd.set('team/', (_, response) => sendListing([link(folder(a1))], response))
  tree.odd.set(folder(a1), (_, response) => sendListing([link(a1)], response))
  await round()
  await same()
})

test('a round that is stopped takes nothing away, and the next one goes on where it was', async () => {
  const { tree, add, round, same, held } = await mirrored([a1, a2, b1])
  await round()
  tree.files.delete(b1)
  add(deep)
  const stop = new AbortController()
  tree.odd.set(deep, (_, response) => {
    stop.abort()
    response.destroy()
  })
  await assert.rejects(round(stop.signal), { name: 'AbortError' })
  assert.equal(Object.keys(await held()).length, 2)
  tree.odd.clear()
  await round()
  await same()
})

test('the listings of this program are read as those of any other server', async () => {
  const server = await testServer({
    digestViews: [{ base: parseRepository('release'), repositories: [parsePattern('team/app')] }],
  })
  const token = await server.token('admin')
  const ids: number[] = []
  for (const letter of ['a', 'a', 'a', 'b', 'c']) {
    const body = newBlob({ digest: exampleDigest(letter) })
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body })
    ids.push(answer.json().id)
  }
  const copy = await newStaticCopy(`${server.origin}/signatures`)
  const source = listingSource({ fetch: copy.fetch, from: `${server.origin}/signatures` })
  const served = async () => {
    const { signatures } = (await ask(server, 'GET', '/api/v1/signatures?limit=100')).json()
    const live = signatures.filter(({ slot }: { slot: number | null }) => slot !== null)
    return live.map(({ sha256 }: { sha256: string }) => sha256).sort()
  }
  const here = async () =>
    Object.values(await copy.held())
      .flat()
      .sort()
  await copy.copy(source)
  assert.equal((await here()).length, 5)
  assert.deepEqual(await here(), await served())
  await ask(server, 'DELETE', `/api/v1/signatures/${ids[0]}?reason=test`, { token })
  await ask(server, 'DELETE', `/api/v1/signatures/${ids[4]}?reason=test`, { token })
  await ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob({ digest: exampleDigest('d') }) })
  await copy.copy(source)
  assert.equal((await here()).length, 4)
  assert.deepEqual(await here(), await served())
})
