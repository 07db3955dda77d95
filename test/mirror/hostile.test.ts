import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MirrorStatus } from '../../src/mirror/status.ts'
import { packetTag } from '../../src/openpgp/packets.ts'
import type { Repository } from '../../src/reference/repository.ts'
import { eventually } from '../eventually.ts'
import { compressed, packet } from '../openpgp/write.ts'
import { ask, type TestServer, testServer } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Answering, changeOf, feedOf, hostileServer, sendJson } from './hostile-server.ts'
import { mirrorOf, newSigningKey } from './signing-key.ts'

const folder = temporaryFolder()
const alice = newSigningKey(folder, 'alice')
const mallory = newSigningKey(folder, 'mallory')
const bomb = packet(packetTag.compressed, compressed(1, Buffer.alloc(100 * 1024 * 1024)), 'indeterminate')
const local = alice.sign('local')
const genuine = alice.sign('genuine')

const forged = Array.from({ length: 1000 }, (_, tag) => mallory.sign(tag))
const other = exampleDigest('b')
const hash = 'c'.repeat(64)

/** What each sends, and which refusals, or what trouble, that is to be. */
const poisons: Record<string, { answer: Answering; refused?: Record<string, number>; error?: RegExp }> = {
  digest: { answer: feedOf([changeOf(1, genuine, { digest: other })]), refused: { 'digest-mismatch': 1 } },
  bytes: { answer: feedOf([changeOf(1, genuine, { sha256: hash })]), refused: { 'source-mismatch': 1 } },
  identity: { answer: feedOf([changeOf(1, genuine, { identity: hash })]), refused: { 'source-mismatch': 1 } },
  foreign: { answer: feedOf([changeOf(1, mallory.sign(1))]), refused: { 'not-trusted': 1 } },
  bomb: { answer: feedOf([changeOf(1, bomb)]), refused: { 'inflated-too-large': 1 } },
  paths: {
    answer: feedOf(
      ['../../etc', 'a/../b', '/etc', 'a//b', 'a\u0000b', '%2e%2e/a'].map((repository, index) =>
        changeOf(index + 1, genuine, { repository }),
      ),
    ),
    refused: { 'bad-reference': 6 },
  },
  digests: {
    answer: feedOf(
      ['sha256:../..', 'sha256=aa', 7, null].map((digest, index) => changeOf(index + 1, genuine, { digest })),
    ),
    refused: { 'bad-digest': 4 },
  },
  kinds: { answer: feedOf([changeOf(1, genuine, { kind: 'dropped' })]), refused: { 'bad-request': 1 } },
  gap: { answer: feedOf([changeOf(2, genuine)]), error: /no change 1/ },
  stuck: { answer: feedOf([], { head: 5 }), error: /should go on to 5/ },
  backwards: {
    answer: (_, response) => sendJson(response, { epoch: 'e', changes: [], next: -1, head: 0 }),
    error: /not as it should be/,
  },
  junk: {
    answer: (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{'),
    error: /no JSON/,
  },
  html: {
    answer: (_, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('hello'),
    error: /no listing/,
  },
  elsewhere: {
    answer: (_, response) => response.writeHead(302, { location: `${thief}/stolen` }).end(),
    error: /redirects to another place/,
  },
  circle: {
    answer: (_, response, url) => response.writeHead(302, { location: url.pathname }).end(),
    error: /redirects more than/,
  },
  packed: {
    answer: (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    error: /compresses/,
  },
  endless: {
    answer: (_, response, url) => {
      const from = Number(url.searchParams.get('after')) + 1
      const count = Number(url.searchParams.get('limit'))
      const changes = Array.from({ length: count }, (_, index) =>
        changeOf(from + index, forged[index] as Buffer),
      )
      sendJson(response, { epoch: 'e', changes, next: from - 1 + count, head: 2 ** 50 })
    },
  },
  epochs: {
    answer: (_, response, url) =>
      sendJson(
        response,
        url.pathname.endsWith('changes')
          ? { epoch: `${Math.random()}`, changes: [], next: Number(url.searchParams.get('after')), head: 0 }
          : { signatures: [], next: null },
      ),
    error: /another one now/,
  },
  huge: {
    answer: (request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const chunk = Buffer.alloc(1024 * 1024, 0x20)
      const more = () => {
        while (!request.socket.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', more)
      more()
    },
    error: /longer than/,
  },
}

let thief = ''
let sent = 0

async function statuses(server: TestServer): Promise<MirrorStatus[]> {
  const { mirrors } = (await ask(server, 'GET', '/api/v1/mirrors')).json()
  return mirrors
}

const list = async (server: TestServer) =>
  (await ask(server, 'GET', '/api/v1/signatures?limit=1000')).json().signatures as Record<string, string>[]

test('what hostile sources send gets nothing in, takes nothing away, and stops no other mirror', async () => {
  const stolen = await hostileServer((_, response) => response.writeHead(200).end())
  thief = stolen.origin
  const hostile = await hostileServer((request, response, url) =>
    poisons[url.pathname.split('/')[1] ?? '']?.answer(request, response, url),
  )
  // It has a signature that was uploaded here too, and takes it back; one at a time, so that both are done.
  const taking = [changeOf(1, local), changeOf(2, local, { kind: 'withdrawn', blob: null })]
  const taker = await hostileServer((request, response, url) => {
    url.searchParams.set('limit', '1')
    feedOf(taking)(request, response, url)
  })
  const good = await testServer()
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, await good.token('read:**'))
  const names = Object.keys(poisons)
  const server = await testServer({
    policy: alice.policy,
    mirrors: [
      ...names.map((name) =>
        mirrorOf(`${hostile.origin}/${name}`, alice, { prefix: name as Repository, tokenFile }),
      ),
      mirrorOf(taker.origin, alice),
      mirrorOf(good.origin, alice, { prefix: 'good' as Repository, tokenFile }),
    ],
  })
  const upload = (to: TestServer, body: Buffer) => async () => {
    const token = await to.token('push:**')
    assert.ok((await ask(to, 'POST', '/api/v1/signatures', { token, body })).status < 300)
  }
  await upload(server, local)()

  for (const [name, { refused, error }] of Object.entries(poisons)) {
    await eventually(async () => {
      const status = (await statuses(server)).find(({ prefix }) => prefix === name)
      if (refused) return JSON.stringify(status?.refused) === JSON.stringify(refused)
      if (error) return status?.state === 'failing' && error.test(status.lastError ?? '')
      return (status?.refused['not-trusted'] ?? 0) >= 1000
    }).catch(async (problem) => {
      throw new Error(`${name}: ${JSON.stringify(await statuses(server))}`, { cause: problem })
    })
  }
  await eventually(async () => {
    const status = (await statuses(server)).find(({ from }) => from.startsWith(taker.origin))
    return status?.state === 'current' && status.present === 1
  })

  await upload(good, alice.sign('late'))()
  await eventually(async () => (await list(server)).length === 2)
  assert.deepEqual((await list(server)).map(({ repository }) => repository).sort(), [
    'good/team/app',
    'team/app',
  ])
  assert.deepEqual(stolen.requests, [])
  assert.ok(sent < 200 * 1024 * 1024, `${sent} bytes of an endless answer were read`)
  for (const name of names) {
    const count = hostile.requests.filter((request) => request.startsWith(`GET /${name}/`)).length
    assert.ok(count < 60, `${name} was asked ${count} times`)
  }
})
