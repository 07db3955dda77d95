import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { may, parseScope } from '../../src/access/principal.ts'
import { parseToken, withoutSecrets } from '../../src/access/token.ts'
import { readExtensionSignature } from '../../src/bridge/extension.ts'
import { formatHead, parseHead } from '../../src/bundle/head.ts'
import { entryForm, formatLines, goneForm, parseLines } from '../../src/bundle/lines.ts'
import { readClaim } from '../../src/claim/claim.ts'
import { readManifest } from '../../src/claim/manifest.ts'
import { readFeedPage } from '../../src/mirror/feed-page.ts'
import { SourceTrouble } from '../../src/mirror/trouble.ts'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { readKeyringFile } from '../../src/openpgp/keyring-file.ts'
import { readPolicy } from '../../src/policy/policy.ts'
import { formatReference, parseReference } from '../../src/reference/reference.ts'
import { isRepository } from '../../src/reference/repository.ts'
import {
  formatLocation,
  formatSlotPath,
  normaliseUrlPath,
  parseFolder,
  parseSlotPath,
} from '../../src/reference/tree-path.ts'
import { Refusal } from '../../src/refusal.ts'
import { readSignature } from '../../src/signature/signature.ts'
import { changeOf } from '../mirror/hostile-server.ts'
import { claimOf, exampleDigest, newBlob } from '../signing.ts'

/** What takes text or bytes that anybody can have made. */
export interface Target {
  /** Mutants begin as these; blobs of OpenPGP are made by test/openpgp/mutate.ts. */
  seeds: readonly Uint8Array[]
  /** Throws where what is accepted is not read as the same again; returns whether it was accepted. */
  attempt(input: Uint8Array): boolean | Promise<boolean>
  /** How much of the inputs it gets, if not one part. */
  weight?: number
}

const bytes = (...texts: string[]) => texts.map((text) => Buffer.from(text))
const text = (input: Uint8Array) => Buffer.from(input).toString('latin1')
const digest = exampleDigest()
const hex = digest.slice(7)
const keyrings = join(import.meta.dirname, '../openpgp/fixtures/keyrings')
const keyringSeeds = readdirSync(keyrings)
  .filter((name) => /\.(gpg|asc)$/.test(name))
  .map((name) => readFileSync(join(keyrings, name)))
  .filter(({ length }) => length < 10_000)

/** Whether it is accepted; nothing but a refusal is permitted otherwise. */
function isAccepted(read: () => void): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof Refusal || error instanceof SourceTrouble) return false
    throw error
  }
}

const permit = { sigstoreJson: true }

function attemptBlob(input: Uint8Array): boolean {
  return isAccepted(() => {
    const { blob, identity, claim, format } = readSignature(input, permit)
    assert.ok(blob.length <= input.length)
    const again = readSignature(blob, permit)
    assert.deepEqual([again.identity, again.claim, again.format], [identity, claim, format])
  })
}

function attemptPath(input: Uint8Array): boolean {
  const path = normaliseUrlPath(text(input))
  if (path === null) return false
  assert.equal(normaliseUrlPath(`/${path}`), path)
  assert.ok(!path.startsWith('/') && !/[^!-~]|[\\%]|(^|\/)\.{1,2}(\/|$)/.test(path), path)
  const inTree = path.replace(/^signatures\//, '')
  const slot = parseSlotPath(inTree)
  if (slot) assert.equal(formatSlotPath(slot.location, slot.slot), inTree)
  if (slot) assert.ok(inTree.startsWith(`${formatLocation(slot.location)}/signature-`))
  const folder = parseFolder(inTree)
  assert.ok(folder === null || slot === null)
  if (folder) assert.equal(parseFolder(folder), folder)
  return slot !== null || folder !== null
}

function attemptReference(input: Uint8Array): boolean {
  return isAccepted(() => {
    const reference = parseReference(text(input))
    assert.ok(isRepository(reference.path))
    assert.deepEqual(parseReference(formatReference(reference)), reference)
  })
}

function attemptClaim(input: Uint8Array): boolean {
  return isAccepted(() => {
    const { digest, reference, document } = readClaim(input)
    // A number that is too small for a double is 0 in JSON, be it -0 before.
    const written = JSON.stringify(document)
    const again = readClaim(Buffer.from(written))
    assert.deepEqual([again.digest, again.reference], [digest, reference])
    assert.equal(JSON.stringify(again.document), written)
  })
}

async function attemptKeyring(input: Uint8Array): Promise<boolean> {
  return readKeyring(input).then(
    () => true,
    (error) => {
      if (error instanceof Refusal) return false
      throw error
    },
  )
}

function attemptLines(input: Uint8Array): boolean {
  const lines = Buffer.from(input)
  const range = { after: 0, to: 100 }
  return [
    isAccepted(() =>
      assert.ok(formatLines(parseLines('x', lines, entryForm, range), entryForm).equals(lines)),
    ),
    isAccepted(() => assert.ok(formatLines(parseLines('x', lines, goneForm, range), goneForm).equals(lines))),
  ].includes(true)
}

function attemptAccess(input: Uint8Array): boolean {
  const parsed = parseToken(text(input))
  if (parsed) assert.ok(!withoutSecrets(text(input)).includes(parsed.secret))
  return isAccepted(() => {
    const scope = parseScope(text(input))
    // A scope is for what its pattern covers, and never for more than all.
    if (scope.action !== 'admin' && !scope.pattern.includes('*'))
      assert.ok(!may({ name: 'x', scopes: [scope] }, scope.action, `${scope.pattern}/x` as never))
  })
}

const signature = { repository: 'team/app', digest, identity: hex }
const lines = [
  { id: 1, ...signature, sha256: hex, size: 100 },
  { id: 2, ...signature, kind: 'withdrawn' as const },
]
const head = formatHead({
  format: 1,
  epoch: '0'.repeat(32),
  scope: 'since',
  from: { seq: 0, hash: '0'.repeat(64) },
  to: { seq: 1, hash: hex },
  trail: hex.slice(0, 8),
  signatures: { count: 1, parts: [{ sha256: hex, size: 9 }] },
  withdrawals: { count: 0, parts: [] },
})
const feed = { epoch: 'e', changes: [changeOf(1, newBlob())], next: 1, head: 1 }
const manifest = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [
    {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: 5,
      platform: { os: 'linux', architecture: 'amd64' },
    },
  ],
}
const requirement = {
  type: 'signedBy',
  keyType: 'GPGKeys',
  keyPath: '/x',
  signedIdentity: { type: 'remapIdentity', prefix: 'a.b/c', signedPrefix: 'd.e/f' },
}
const policy = { default: [{ type: 'reject' }], transports: { docker: { 'a.b/c': [requirement] } } }

export const targets: Record<string, Target> = {
  blobs: { seeds: [], attempt: attemptBlob, weight: 4 },
  'sigstore blobs': {
    seeds: bytes(
      `\0sigstore-json\n${JSON.stringify({ mimeType: 'application/vnd.dev.cosign.simplesigning.v1+json', payload: Buffer.from(claimOf().replace('atomic container', 'cosign container image')).toString('base64'), annotations: { 'dev.cosignproject.cosign/signature': Buffer.alloc(70, 1).toString('base64') } })}`,
    ),
    attempt: attemptBlob,
  },
  paths: {
    seeds: bytes(
      `/signatures/team/app@sha256=${hex}/signature-1`,
      `//signatures/sha256=${hex}/signature-127?x=y`,
      `http://x/signatures/a%2fb%40sha512%3D${hex}${hex}/`,
      '/signatures/../a/./b//c/%2e%2e/',
    ),
    attempt: attemptPath,
    weight: 4,
  },
  references: {
    seeds: bytes(
      'docker.io/library/busybox:1.0',
      `[::1]:5000/a/b@${digest}`,
      `localhost:5000/team/app:tag@${digest}`,
    ),
    attempt: attemptReference,
    weight: 2,
  },
  claims: {
    seeds: bytes(claimOf(), claimOf().replace('}}', ',"a":[1e5,null,{"b":"\\u00e9"}]}}')),
    attempt: attemptClaim,
    weight: 4,
  },
  access: {
    seeds: bytes('push:team/**', 'admin', 'withdraw:*', `lks_${'0'.repeat(8)}_${'A'.repeat(43)}`),
    attempt: attemptAccess,
  },
  keyrings: { seeds: keyringSeeds, attempt: attemptKeyring },
  'keyring files': { seeds: keyringSeeds, attempt: (input) => isAccepted(() => readKeyringFile(input)) },
  'lines of bundles': {
    seeds: lines.map((line, at) => formatLines([line as never], at ? goneForm : (entryForm as never))),
    attempt: attemptLines,
  },
  'heads of bundles': {
    seeds: bytes(head),
    attempt: (input) => isAccepted(() => assert.equal(formatHead(parseHead(text(input))), text(input))),
  },
  policies: { seeds: bytes(JSON.stringify(policy)), attempt: (input) => isAccepted(() => readPolicy(input)) },
  manifests: {
    seeds: bytes(JSON.stringify(manifest)),
    attempt: (input) => isAccepted(() => readManifest(input)),
  },
  feeds: {
    seeds: bytes(JSON.stringify(feed)),
    attempt: (input) => isAccepted(() => readFeedPage(Buffer.from(input), 0)),
  },
  'objects of the extension': {
    seeds: bytes(
      JSON.stringify({
        schemaVersion: 2,
        name: `${digest}@${hex.slice(32)}`,
        type: 'atomic',
        content: newBlob().toString('base64'),
      }),
    ),
    attempt: (input) => isAccepted(() => readExtensionSignature(input, digest)),
  },
}
