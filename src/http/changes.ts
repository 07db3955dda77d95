import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Static, Type } from 'typebox'
import { Refusal } from '../refusal.ts'
import type { ChangeWithBlob, Feed } from '../storage/feed.ts'
import type { Change, Reading } from '../storage/storage.ts'
import { type Reader, type Readers, requireRead } from './authenticate.ts'
import { Nullable } from './document.ts'
import { logWatcher } from './log-watcher.ts'
import { octets } from './openapi.ts'
import type { App } from './server.ts'
import { Whole } from './signatures.ts'

export interface ChangesOptions {
  storage: Pick<Reading, 'epoch' | 'head' | 'changesAfter' | 'blob'> & Feed
  readers: Readers
}

const maxPage = 1000

/** A page ends where its blobs come to so many bytes. */
const maxPageBlobs = 1024 * 1024

/** Below the 60 seconds after which proxies, and this server, take a silent connection for dead. */
const maxWaitSeconds = 30

/** What is read between two turns of the event loop: readers of slots must not wait for a page. */
const changesPerTurn = 100

const ChangeDocument = Type.Object({
  seq: Type.Integer(),
  time: Type.String({ description: 'RFC 3339' }),
  kind: Type.Enum(['added', 'withdrawn', 'superseded', 'removed', 'reinstated']),
  signature: Type.Integer({ description: 'The number of the change that added it' }),
  repository: Type.String(),
  digest: Type.String(),
  identity: Type.String(),
  sha256: Type.String({ description: 'Of the stored bytes' }),
  actor: Nullable(Type.String()),
  reason: Nullable(Type.String()),
  hash: Nullable(Type.String({ description: 'Of this change and the hash before it' })),
  blob: Type.Optional(Nullable(Type.String({ description: 'Base64; null where it is not served' }))),
})
export type ChangeDocument = Static<typeof ChangeDocument>

const ChangesPage = Type.Object({
  epoch: Type.String({ description: 'Another one: this is not the log that it was' }),
  changes: Type.Array(ChangeDocument),
  next: Type.Integer({ description: 'For `after`' }),
  head: Type.Integer({ description: 'The number of the last change' }),
})
export type ChangesPage = Static<typeof ChangesPage>

/** The log as a feed, and blobs by content. */
export function changeRoutes(app: App, { storage, readers }: ChangesOptions): void {
  const watcher = logWatcher(storage)
  // Who waits must not keep the server from ending.
  app.addHook('preClose', async () => watcher.stop())

  const page = async (after: number, limit: number, withBlobs: boolean): Promise<PageOf> => {
    const changes: PageOf = []
    let room = maxPageBlobs
    for (let left = limit; left > 0; left = limit - changes.length) {
      if (changes.length) await nextTurn()
      const from = changes.at(-1)?.seq ?? after
      const wanted = Math.min(left, changesPerTurn)
      const found: PageOf = withBlobs
        ? await storage.changesWithBlobs(from, wanted, room)
        : await storage.changesAfter(from, wanted)
      for (const change of found) {
        room -= change.blob?.length ?? 0
        if (changes.length && room < 0) return changes
        changes.push(change)
      }
      if (found.length < wanted) break
    }
    return changes
  }

  /** The whole log, so that the right to read everything is needed. */
  const requireReader = async (request: Parameters<Readers>[0]): Promise<Reader> => {
    const reader = await readers(request)
    requireRead(reader)
    return reader
  }

  app.get(
    '/api/v1/changes',
    {
      schema: {
        summary: 'The log, from a change on',
        querystring: Type.Object(
          {
            after: Type.Optional(Whole),
            limit: Type.Optional(Whole),
            wait: Type.Optional(Whole),
            blobs: Type.Optional(Type.Enum(['true', 'false'])),
          },
          { additionalProperties: false },
        ),
        response: { 200: ChangesPage },
      },
    },
    async (request, reply) => {
      const after = Number(request.query.after ?? 0)
      const limit = Number(request.query.limit ?? 100)
      const wait = Number(request.query.wait ?? 0)
      if (limit < 1 || limit > maxPage)
        throw new Refusal('bad-request', `The parameter "limit" is from 1 to ${maxPage}`)
      if (wait > maxWaitSeconds)
        throw new Refusal('bad-request', `The parameter "wait" is from 0 to ${maxWaitSeconds} seconds`)
      let reader = await requireReader(request)
      // Who is beyond the head follows another log, and must learn it now.
      if (wait > 0 && (await storage.head()).seq === after) {
        await watcher.changed(after, wait * 1000, request.raw.socket)
        // A token may have been revoked meanwhile.
        reader = await requireReader(request)
      }
      const changes = await page(after, limit, request.query.blobs === 'true')
      // Half the work that the serializer of the schema makes of so large an answer.
      reply.type('application/json; charset=utf-8').serializer(JSON.stringify)
      reply.header('Cache-Control', 'no-store')
      return {
        epoch: await storage.epoch(),
        changes: changes.map((change) => changeDocument(change, reader)),
        next: changes.at(-1)?.seq ?? after,
        head: (await storage.head()).seq,
      }
    },
  )

  app.get(
    '/api/v1/blobs/:sha256',
    {
      schema: {
        summary: 'The bytes of a signature that is served, by their SHA-256',
        params: Type.Object({ sha256: Type.String() }),
        response: { 200: octets('The bytes'), 304: unchanged },
      },
    },
    async (request, reply) => {
      const { sha256 } = request.params
      await requireReader(request)
      const blob = /^[0-9a-f]{64}$/.test(sha256) ? await storage.blob(sha256) : null
      if (!blob) throw new Refusal('not-found', 'No signature that is served has these bytes')
      const etag = `"${sha256}"`
      reply.headers({
        ETag: etag,
        // It never changes, and it may be withdrawn: whoever keeps it has to ask whether it is still there.
        'Cache-Control': 'no-cache',
        'X-Content-Type-Options': 'nosniff',
      })
      if (matchesTag(request.headers['if-none-match'], etag)) return reply.code(304).send()
      return reply.type('application/octet-stream').send(blob)
    },
  )
}

const unchanged = { description: 'They are those that the client has', type: 'null' }

type PageOf = (Change & Partial<Pick<ChangeWithBlob, 'blob'>>)[]

/**
 * Who may not know the actor does not get the hash either: it is of the actor and the reason too, so that it would tell
 * whether a guess of them is right.
 */
function changeDocument(change: PageOf[number], { mayReadActors }: Reader): ChangeDocument {
  const { seq, time, kind, signature, repository, digest, identity, sha256, actor, reason, hash } = change
  return {
    seq,
    time: new Date(time).toISOString(),
    kind,
    signature,
    repository,
    digest,
    identity,
    sha256,
    actor: mayReadActors ? actor : null,
    reason: mayReadActors ? reason : null,
    hash: mayReadActors ? hash : null,
    ...(change.blob !== undefined && { blob: base64(change.blob) }),
  }
}

function base64(blob: Uint8Array | null): string | null {
  return blob && Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('base64')
}

/** RFC 9110, 13.1.2: compared weakly. */
function matchesTag(tags: string | undefined, etag: string): boolean {
  if (tags === undefined) return false
  return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
}
