import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { maxListBytes } from '../../src/bridge/extension.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { maxBytesPerLocation } from '../../src/storage/storage.ts'
import { literal, mpi, onePass, packet, signature } from '../openpgp/write.ts'
import { ask, testServer } from '../server.ts'
import { claimOf, exampleDigest, newBlob, variantOf } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { extensionObject, extensionPath, listed, putObject, registryRefusal } from './extension-client.ts'

const server = await testServer()
const token = await server.token('push:**')
const digest = exampleDigest('1')

const put = (path: string, object: unknown, { token: bearer = token, on = server, headers = {} } = {}) =>
  putObject(on, path, object, { authorization: `Bearer ${bearer}`, ...headers })
const list = (path: string, on = server, headers = {}) => listed(on, path, headers)

/** A signature of so many bytes, by a signer who adds much to his claim. */
function paddedBlob(of: string, size: number): Buffer {
  const build = (padding: number) => {
    const claim = claimOf({ digest: of }).replace('"test"', `"${'x'.repeat(padding)}"`)
    const value = mpi(Buffer.concat([Buffer.from([0xa5]), randomBytes(255)]))
    return Buffer.concat([
      packet(packetTag.onePassSignature, onePass()),
      packet(packetTag.literal, literal(claim), 'new-5'),
      packet(packetTag.signature, signature({ value })),
    ])
  }
  return build(size - build(0).length)
}

test('a digest without signatures has an empty list', async () => {
  const answer = await ask(server, 'GET', extensionPath('nobody/signed'))
  assert.equal(answer.status, 200)
  assert.equal(answer.body.toString(), '{"signatures":[]}')
})

test('what is put without a type, or with any, is listed under one name that stays', async () => {
  const of = exampleDigest('2')
  const blobs = [newBlob({ digest: of }), newBlob({ digest: of }), newBlob({ digest: of })]
  const types = [{}, { 'content-type': 'application/json' }, { 'content-type': 'text/x-anything; q="' }]
  for (const [index, blob] of blobs.entries()) {
    const answer = await put(extensionPath('team/app', of), extensionObject(blob, of), {
      headers: types[index] as object,
    })
    assert.equal(answer.status, 201)
  }
  const expected = blobs.map((blob) => {
    const name = `${of}@${createHash('sha256').update(blob).digest('hex').slice(0, 32)}`
    return { schemaVersion: 2, name, type: 'atomic', content: blob.toString('base64') }
  })
  assert.deepEqual(await list(extensionPath('team/app', of)), expected)
  assert.deepEqual(await list(`${extensionPath('team/app', of).replace(':', '%3A')}?x=y`), expected)
  const head = await ask(server, 'HEAD', extensionPath('team/app', of))
  assert.deepEqual(
    [head.status, head.headers['content-length']],
    [200, String(JSON.stringify({ signatures: expected }).length)],
  )
})

test('the same content again is taken again, and stored once', async () => {
  const of = exampleDigest('3')
  const blob = newBlob({ digest: of })
  for (const [again, form] of [blob, blob, variantOf(blob)].entries())
    assert.equal(
      (await put(extensionPath('team/app', of), extensionObject(form, of, `${again}`))).status,
      201,
    )
  const [only, ...others] = await list(extensionPath('team/app', of))
  assert.equal(only?.content, blob.toString('base64'))
  assert.equal(others.length, 0)
  const named = await put(extensionPath('team/app', of), {
    ...extensionObject(variantOf(blob), of),
    name: only?.name,
  })
  assert.equal(named.status, 201)
})

test('a name that another signature has is refused', async () => {
  const of = exampleDigest('4')
  const blob = newBlob({ digest: of })
  const first = await put(extensionPath('team/app', of), extensionObject(blob, of))
  const other = { ...extensionObject(newBlob({ digest: of }), of), name: first.json().name }
  const answer = await put(extensionPath('team/app', of), other)
  assert.deepEqual(registryRefusal(answer), [409, 'SIGNATURE_EXISTS', 'signature-exists'])
  assert.equal((await list(extensionPath('team/app', of))).length, 1)
})

test('both doors show the same: what came by one is read by the other at once', async () => {
  const of = exampleDigest('5')
  const [here, there] = [newBlob({ digest: of }), newBlob({ digest: of })]
  await put(extensionPath('team/app', of), extensionObject(here, of))
  const slot = `/signatures/team/app@${of.replace(':', '=')}/signature-`
  assert.deepEqual((await ask(server, 'GET', `${slot}1`)).body, here)
  assert.equal((await ask(server, 'PUT', `${slot}1`, { token, body: there })).status, 201)
  assert.equal((await list(extensionPath('team/app', of)))[1]?.content, there.toString('base64'))
})

test('signatures of other forms are not listed', async () => {
  const mixed = await testServer({ uploads: { maxBytes: 131072, sigstoreJson: true, stallSeconds: 30 } })
  const token = await mixed.token('push:**')
  const value = {
    signature: Buffer.from('any').toString('base64'),
    payload: btoa(claimOf({ digest }).replace('atomic container', 'cosign container image')),
  }
  const json = JSON.stringify({
    mimeType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    payload: value.payload,
    annotations: { 'dev.cosignproject.cosign/signature': value.signature },
  })
  const sigstore = Buffer.concat([Buffer.from('\0sigstore-json\n'), Buffer.from(json)])
  for (const body of [sigstore, newBlob({ digest })]) {
    const answer = await ask(mixed, 'POST', '/api/v1/signatures', { token, body })
    assert.equal(answer.status, 201, answer.body.toString())
  }
  assert.equal((await list(extensionPath(), mixed)).length, 1)
})

test('as many signatures as a digest can have, and as large, make a list that clients read', async () => {
  const large = await testServer()
  const of = parseDigest(`sha512:${'6'.repeat(128)}`)
  const token = await large.token('push:**')
  const size = Math.floor(maxBytesPerLocation / 127)
  const store = () =>
    put(extensionPath('team/app', of), extensionObject(paddedBlob(of, size), of), { token, on: large })
  const answers = await Promise.all(Array.from({ length: 127 }, store))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201])
  const answer = await ask(large, 'GET', extensionPath('team/app', of))
  assert.equal(answer.json().signatures.length, 127)
  assert.ok(answer.body.length < maxListBytes)
  assert.ok(answer.body.length > 0.98 * maxListBytes)
  assert.deepEqual(registryRefusal(await store()), [409, 'TOO_MANY_SIGNATURES', 'too-many-signatures'])
})

test('the path is where a signature is wanted: whoever may push there may put a copied image there', async () => {
  const of = exampleDigest('9')
  const copier = await server.token('push:prod/**')
  const blob = newBlob({ digest: of, reference: 'registry.example.com/team/app:1' })
  const rest = await ask(server, 'POST', '/api/v1/signatures?repository=prod/app', {
    token: copier,
    body: blob,
  })
  assert.equal(rest.json().code, 'identity-mismatch')
  assert.equal(
    (await put(extensionPath('prod/app', of), extensionObject(blob, of), { token: copier })).status,
    201,
  )
  assert.deepEqual(
    registryRefusal(await put(extensionPath('team/app', of), extensionObject(blob, of), { token: copier })),
    [403, 'DENIED', 'not-allowed'],
  )
  assert.equal((await list(extensionPath('prod/app', of))).length, 1)
  assert.deepEqual(await list(extensionPath('team/app', of)), [])
})

test('the prefix of a registry is found by the Host that clients name, or by the one that is configured', async () => {
  const registries = [
    { host: 'registry.example.com', prefix: '' as const },
    { host: 'quay.io', prefix: 'quay.io' as never },
    { host: 'localhost:5000', prefix: 'local' as never },
  ]
  const byHost = await testServer({ registries })
  const configured = await testServer({
    registries,
    registry: { delegate: false, anonymous: false, host: 'quay.io' },
  })
  const body = JSON.stringify(extensionObject(newBlob({ digest })))
  const places = async (on: typeof server, host: string) => {
    const bearer = await on.token('push:**')
    const answer = await ask(on, 'PUT', extensionPath(), { token: bearer, headers: { host }, body })
    if (answer.status !== 201) return registryRefusal(answer).slice(2)
    const { signatures } = (await ask(on, 'GET', '/api/v1/signatures')).json()
    return signatures.map(({ repository }: { repository: string }) => repository)
  }
  assert.deepEqual(await places(byHost, 'registry.example.com'), ['team/app'])
  assert.deepEqual((await places(byHost, 'Quay.IO')).toSorted(), ['quay.io/team/app', 'team/app'])
  assert.equal((await places(byHost, 'localhost:5000')).length, 3)
  assert.deepEqual(await places(byHost, 'elsewhere.example'), ['registry-not-served'])
  // Who only reads has an answer that clients go on from.
  assert.deepEqual(await list(extensionPath(), byHost, { host: 'elsewhere.example' }), [])
  assert.deepEqual(await places(configured, 'elsewhere.example'), ['quay.io/team/app'])
  assert.equal(
    (
      await list(extensionPath(), byHost, {
        host: 'quay.io',
      })
    ).length,
    1,
  )
  assert.equal((await list(extensionPath('quay.io/team/app'), byHost, { host: 'localhost:5000' })).length, 0)
  const inside = await ask(byHost, 'PUT', extensionPath('quay.io/team/app'), {
    token: await byHost.token('push:**'),
    headers: { host: 'registry.example.com', prefix: '' as const },
    body,
  })
  assert.deepEqual(registryRefusal(inside), [400, 'SIGNATURE_INVALID', 'identity-mismatch'])
})

test('a signature that the policy for uploads does not trust is denied', async () => {
  const folder = temporaryFolder()
  const policy = join(folder, 'policy.json')
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }] }))
  const strict = await testServer({ policy })
  const answer = await put(extensionPath(), extensionObject(newBlob({ digest })), {
    token: await strict.token('push:**'),
    on: strict,
  })
  assert.deepEqual(registryRefusal(answer), [403, 'DENIED', 'not-trusted'])
  assert.deepEqual(await list(extensionPath(), strict), [])
})
