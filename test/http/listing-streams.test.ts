import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { ask } from '../server.ts'
import { exampleDigest } from '../signing.ts'
import { newSignature } from '../storage/contract.ts'
import { temporaryFolder } from '../temporary.ts'
import { fillWithDigests, listingApp } from './listing-app.ts'

/** More than sockets take in ahead of a client. */
const count = 100_000
const pages = count / 250
const dataFolder = temporaryFolder(() => storage.close())
await fillWithDigests(dataFolder, count)
const storage = openSqlite({ dataFolder })
const { port } = await listingApp(storage)
const path = '/signatures/team/'
const wanted = Array.from(
  { length: count },
  (_, index) => `app@sha256=${(index + 2).toString(16).padStart(64, '0')}`,
)

/** Of a storage, so that a test sees, or does, something at each page. */
const watched = (atPage: (page: number) => void): Pick<Storage, 'folder' | 'version'> => {
  let page = 0
  return {
    version: storage.version,
    folder: (...asked) => {
      atPage(++page)
      return storage.folder(...asked)
    },
  }
}

/** All that comes on a connection until its end. */
function raw(to: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(to, '127.0.0.1')
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk) => {
      received += chunk
    })
    socket.on('error', reject).on('close', () => resolve(received))
    socket.write(text)
  })
}

const namesIn = (html: string) =>
  Array.from(html.matchAll(/<a href="([^"]*)\/">/g), ([, name]) => name).filter((name) => name !== '..')

test('a long listing has every name once, as a page and as JSON', async () => {
  const html = (await ask({ port }, 'GET', path)).body.toString()
  assert.deepEqual(namesIn(html), wanted)
  assert.ok(html.endsWith('</html>\n'))
  const { entries } = (await ask({ port }, 'GET', path, { headers: { accept: 'application/json' } })).json()
  assert.deepEqual(
    entries.map(({ name }: { name: string }) => name),
    wanted,
  )
})

test('a client of HTTP/1.0, to whom a listing cut short would look whole, is told its length', async () => {
  const [head = '', body = ''] = (await raw(port, `GET ${path} HTTP/1.0\r\n\r\n`)).split('\r\n\r\n')
  assert.equal(Number(/^content-length: (\d+)$/im.exec(head)?.[1]), body.length)
  assert.deepEqual(namesIn(body), wanted)

  const late = newSignature({
    home: { kind: 'repository', name: 'team/zoo' as never, digest: exampleDigest('f') },
  })
  const growing = watched((page) => {
    if (page === pages + 40) void storage.append(late)
  })
  const { port: other } = await listingApp(growing)
  const cut = (await raw(other, `GET ${path} HTTP/1.0\r\n\r\n`)).split('\r\n\r\n')
  const length = Number(/^content-length: (\d+)$/im.exec(cut[0] ?? '')?.[1])
  assert.ok((cut[1]?.length ?? 0) < length)
})

test('a listing that fails on its way is not ended as if it were whole', async () => {
  const failing = watched((page) => {
    if (page === 20) throw new Error('the disk is gone')
  })
  const { port } = await listingApp(failing)
  await assert.rejects(ask({ port }, 'GET', path), { code: 'ECONNRESET' })
})

test('a listing waits for its client, and ends with it', async () => {
  let read = 0
  const { port } = await listingApp(
    watched((page) => {
      read = page
    }),
  )
  /** Waits until no page is read any more. */
  const rest = async () => {
    for (let before = -1, still = 0; still < 20; still = before === read ? still + 1 : 0) {
      before = read
      await wait(10)
    }
  }
  const request = get({ port, host: '127.0.0.1', path }).on('error', () => {})
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await rest()
  const ahead = read
  assert.ok(ahead < pages * 0.8, `${ahead} of ${pages} pages were read for a client that takes nothing`)
  response.destroy()
  await rest()
  assert.ok(read <= ahead + 1, `${read - ahead} pages were read for a client that is gone`)
})

test('no change hides behind a tag or a date that was sent before', async () => {
  let unchanged = 0
  const conditions = { 'if-none-match': 'etag', 'if-modified-since': 'last-modified' }
  const step = fc.record({ pause: fc.constantFrom(0, 1, 400, 999, 1500, 3000), isChange: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      let now = 1_700_000_000_000
      const storage = openSqlite({ dataFolder: temporaryFolder(), clock: () => now })
      const { app } = await listingApp(storage, () => now)
      const ask = async (headers = {}) => app.inject({ url: '/signatures/team/', headers })
      await storage.append(newSignature({ home: homeOf(0) }))
      const kept = new Map<string, { validator: string; body: string }>()
      for (const [index, { pause, isChange }] of steps.entries()) {
        now += pause
        if (isChange) await storage.append(newSignature({ home: homeOf(index + 1) }))
        const { body } = await ask()
        for (const [condition, header] of Object.entries(conditions)) {
          const before = kept.get(condition)
          const answer = await ask(before && { [condition]: before.validator })
          assert.ok(Date.parse(String(answer.headers['last-modified'])) <= now)
          if (answer.statusCode === 304) unchanged++
          else kept.set(condition, { validator: String(answer.headers[header]), body })
          assert.equal(kept.get(condition)?.body, body)
        }
      }
      await app.close()
      await storage.close()
    }),
    { numRuns: 40 },
  )
  assert.ok(unchanged > 0)
})

const homeOf = (index: number) =>
  ({ kind: 'repository', name: `team/app-${index}` as never, digest: exampleDigest() }) as const
