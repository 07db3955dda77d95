import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { configMaps } from '../../src/bundle/config-maps.ts'
import { type Written, writeDigests, writeRepositories } from '../../src/bundle/folder.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { home, newSignature } from '../storage/contract.ts'
import { key, signatureOf } from '../storage/judged.ts'
import { temporaryFolder } from '../temporary.ts'
import { joined, newStore } from './stores.ts'

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()

const hex = (letter: string) => letter.repeat(64)

test('by repository it is the tree of the data folder, without what is only there for readers under way', async () => {
  const store = newStore({ digestViews: [{ base: 'release', repositories: ['team/**'] }] })
  await store.storage.configureViews([{ base: 'release', repositories: ['team/**'] }])
  const blobs = [newBlob(), newBlob(), newBlob()]
  for (const blob of blobs) await store.upload(blob)
  await store.upload({ repository: 'prod/app', digest: exampleDigest('b') })
  await store.storage.withdraw([1], { actor: 'tester', reason: null, graceSeconds: 300 })
  const slots = await store.storage.slots(home('team/app'))
  assert.equal(slots.length, 3)
  const folder = join(temporaryFolder(), 'new/folder')
  const written = await writeRepositories(store.storage, null, folder)
  assert.deepEqual(written, { digests: 3, signatures: 5, warnings: [] })
  const expected = [
    `prod/app@sha256=${hex('b')}/signature-1`,
    `release/sha256=${hex('a')}/signature-1`,
    `release/sha256=${hex('a')}/signature-2`,
    `team/app@sha256=${hex('a')}/signature-1`,
    `team/app@sha256=${hex('a')}/signature-2`,
  ]
  assert.deepEqual(filesIn(folder), expected)
  const first = join(folder, expected[3] as string)
  assert.deepEqual(readFileSync(first), blobs[2])
  assert.equal(Math.floor(statSync(first).mtimeMs / 1000), slots[0]?.modified)

  const some = join(temporaryFolder(), 'some')
  const subjects = [{ repository: parseRepository('prod/app'), digest: exampleDigest('b') }]
  await writeRepositories(store.storage, [...subjects, ...subjects], some)
  assert.deepEqual(filesIn(some), [expected[0]])
})

test('a folder that is not empty, or is none, is left as it is', async () => {
  const store = newStore()
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'index.html'), 'x')
  for (const write of [
    () => writeRepositories(store.storage, null, folder),
    () => writeDigests(store.storage, null, { folder, base: '' }),
    () => writeRepositories(store.storage, null, join(folder, 'index.html')),
  ])
    await assert.rejects(write(), { code: 'configuration' })
  assert.deepEqual(readdirSync(folder), ['index.html'])
})

/** Signatures of one digest at two repositories, one of them at both and one by a key that this server has. */
async function ofTwoRepositories() {
  const store = newStore()
  await store.storage.setKeyring([key('A')])
  const ofNobody = (text: string, at = home('team/app')) =>
    newSignature({ blob: Buffer.from(text), home: at, signer: null })
  await store.storage.append(ofNobody('foreign'))
  await store.storage.append(ofNobody('shared'))
  await store.storage.append(ofNobody('shared', home('prod/app')))
  const valid = { blob: Buffer.from('valid'), home: home('prod/app'), created: 1_700_000_000 }
  await store.storage.append(signatureOf('A', valid))
  await store.storage.append(ofNobody('b', home('prod/app', exampleDigest('b'))))
  await store.storage.append({ ...ofNobody('sigstore'), format: 'sigstore-json' })
  return store
}

test('by digest each signature is there once, whatever repositories have it, and valid ones come first', async () => {
  const store = await ofTwoRepositories()
  const folder = join(temporaryFolder(), 'view')
  const written = await writeDigests(store.storage, null, { folder, base: 'openshift/release' })
  assert.deepEqual([written.digests, written.signatures], [2, 4])
  assert.match(written.warnings.join(), /1 in the sigstore format are left out/)
  const place = (letter: string, slot: number) => `openshift/release/sha256=${hex(letter)}/signature-${slot}`
  assert.deepEqual(filesIn(folder), [place('a', 1), place('a', 2), place('a', 3), place('b', 1)])
  const contents = [1, 2, 3].map((slot) => readFileSync(join(folder, place('a', slot)), 'utf8'))
  assert.deepEqual(contents, ['valid', 'foreign', 'shared'])

  const top = join(temporaryFolder(), 'top')
  const subjects = [{ repository: parseRepository('prod/app'), digest: exampleDigest('a') }]
  await writeDigests(store.storage, subjects, { folder: top, base: '' })
  assert.deepEqual(
    filesIn(top).map((name) => readFileSync(join(top, name), 'utf8')),
    ['valid', 'shared'],
  )
})

test('more signatures than OpenShift reads of a digest are warned of', async () => {
  const store = newStore()
  for (let count = 0; count < 10; count++) await store.upload()
  const folder = join(temporaryFolder(), 'view')
  const { warnings, signatures } = await writeDigests(store.storage, null, { folder, base: '' })
  assert.equal(signatures, 10)
  assert.match(warnings.join(), /has 10 signatures: OpenShift reads the first 9/)
})

test('a ConfigMap has what the cluster looks for, and several have what one cannot hold', async () => {
  const store = await ofTwoRepositories()
  for (let count = 0; count < 3; count++)
    await store.storage.append(
      newSignature({ blob: Buffer.alloc(100_000, `${count}`), home: home('large/app', exampleDigest('c')) }),
    )
  await store.storage.append(
    newSignature({ blob: Buffer.alloc(1_500_000), home: home('large/app', exampleDigest('d')) }),
  )
  const written: Written = { digests: 0, signatures: 0, warnings: [] }
  const yaml = (await joined(configMaps(store.storage, null, written))).toString()
  assert.deepEqual([written.digests, written.signatures], [3, 7])
  assert.match(written.warnings.join(), /sha256:d+: a signature of 1500000 bytes is left out/)
  const documents = parseAllDocuments(yaml).map((document) => document.toJS())
  assert.deepEqual(documents[0], {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `sha256-${hex('a')}`,
      namespace: 'openshift-config-managed',
      labels: { 'release.openshift.io/verification-signatures': '' },
    },
    binaryData: Object.fromEntries(
      ['valid', 'foreign', 'shared'].map((text, index) => [
        `sha256-${hex('a')}-${index + 1}`,
        Buffer.from(text).toString('base64'),
      ]),
    ),
  })
  const ofLarge = documents.filter(({ metadata }) => metadata.name.includes(hex('c')))
  assert.deepEqual(
    ofLarge.map(({ metadata, binaryData }) => [metadata.name, Object.keys(binaryData)]),
    [1, 2, 3].map((number) => [
      `sha256-${hex('c')}${number === 1 ? '' : `-part-${number}`}`,
      [`sha256-${hex('c')}-${number}`],
    ]),
  )
  assert.ok(ofLarge.every((document) => JSON.stringify(document).length < 256 * 1024))
})
