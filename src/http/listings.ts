import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { parseFolder, parseLocation } from '../reference/tree-path.ts'
import type { FolderPage, Reading } from '../storage/storage.ts'
import { type Reader, type Readers, requireRead } from './authenticate.ts'
import { htmlListing, jsonListing, type ListingForm, listingSecurityPolicy } from './listing-forms.ts'
import { treePrefix } from './reads.ts'
import type { App } from './server.ts'

export interface ListingsOptions {
  storage: Pick<Reading, 'folder' | 'version'>
  readers: Readers
  reads: { cacheSeconds: number; private: boolean }
  /** Unix milliseconds. */
  clock(): number
}

/** Read and written between two turns of the event loop: readers of slots must not wait for a listing. */
const entriesPerTurn = 250

/** What changes now may show so much later, and have a time from before: a commit takes a moment. */
const unsettledSeconds = 2

/**
 * What is in the folders of the tree, for mirror tools, programs and people. A listing of any length takes the same
 * memory: it goes out as fast as the client takes it. One that fails on its way is cut off in a way that the client
 * notices, because tools delete what a listing does not have.
 */
export function listingRoutes(app: App, { storage, readers, reads, clock }: ListingsOptions): void {
  const { cacheSeconds } = reads
  const cacheControl =
    cacheSeconds > 0 ? `${reads.private ? 'private' : 'public'}, max-age=${cacheSeconds}` : 'no-cache'

  const list = async (folder: string | null, request: FastifyRequest, reply: FastifyReply) => {
    requireRight(await readers(request), folder)
    reply.headers({ 'Cache-Control': cacheControl, 'X-Content-Type-Options': 'nosniff' })
    const version = await storage.version()
    const first = folder === null ? null : await firstPage(folder)
    if (folder === null || !first) return reply.code(404).send()
    const redirect = withSlash(request.originalUrl)
    if (redirect) return reply.code(301).header('Location', redirect).send()

    const form = formFor(request)(folder)
    const { etag, modified, isSettled } = validators(first.changed, version, form)
    reply.headers({ ETag: etag, 'Last-Modified': modified, Vary: 'Accept' })
    if (isUnchanged(request, etag, isSettled ? modified : null)) return reply.code(304).send()
    reply.type(form.type).header('Content-Security-Policy', listingSecurityPolicy)
    if (request.method === 'HEAD') return reply.send()
    const isWhole = first.next === null
    const text = () => write(form, folder, first)
    if (isWhole) return reply.send(await joined(text()))
    // Its end would be told by that of the connection alone, which has other reasons too.
    if (request.raw.httpVersion === '1.0') {
      const length = await lengthOf(text())
      return reply.header('Content-Length', length).send(Readable.from(ofLength(length, text())))
    }
    return reply.send(Readable.from(text()))
  }

  const firstPage = async (folder: string): Promise<FolderPage | null> => {
    let page = await storage.folder(folder, null, entriesPerTurn)
    while (page && !page.entries.length && page.next !== null) {
      await nextTurn()
      page = await storage.folder(folder, page.next, entriesPerTurn)
    }
    return page?.entries.length || folder === '' ? page : null
  }

  const write = async function* (
    { opening, entry, between, closing }: ListingForm,
    folder: string,
    first: FolderPage,
  ): AsyncGenerator<string> {
    yield opening + first.entries.map(entry).join(between)
    for (let { next } = first; next !== null; ) {
      await nextTurn()
      const page = await storage.folder(folder, next, entriesPerTurn)
      if (page?.entries.length) yield between + page.entries.map(entry).join(between)
      next = page?.next ?? null
    }
    yield closing
  }

  /**
   * Nothing that changes later hides behind what is sent now: while more can happen in the second of the last change,
   * the tag is that of everything that is served, and the date is before that second.
   */
  const validators = (changed: number, version: number, { name }: ListingForm) => {
    const now = Math.floor(clock() / 1000)
    const isSettled = changed <= now - unsettledSeconds
    const modified = isSettled ? changed : Math.min(changed, now) - 1
    return {
      isSettled,
      etag: `W/"${isSettled ? changed : `${changed}-${version}`}-${name}"`,
      modified: new Date(modified * 1000).toUTCString(),
    }
  }

  app.route<{ Params: { '*'?: string } }>({
    method: ['GET', 'HEAD'],
    url: `/${treePrefix}*`,
    handler: (request, reply) => list(parseFolder(request.params['*'] ?? ''), request, reply),
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: `/${treePrefix.slice(0, -1)}`,
    handler: (request, reply) => list('', request, reply),
  })
}

/** Above the folder of one image there may be anybody's. */
function requireRight(reader: Reader, folder: string | null): void {
  const location = folder === null ? null : parseLocation(folder)
  requireRead(reader, location?.kind === 'repository' ? location.name : undefined)
}

function formFor(request: FastifyRequest): (folder: string) => ListingForm {
  const type = new Negotiator(request.raw).mediaType(['text/html', 'application/json'])
  return type === 'application/json' ? jsonListing : htmlListing
}

/**
 * Where a URL of a folder leads that has no slash at its end, or null if it has one: its last part as it was sent,
 * because links in the listing are relative to that.
 */
function withSlash(url: string): string | null {
  const path = url.split('?', 1)[0] as string
  if (/(?:\/|%2f)$/i.test(path)) return null
  return `./${path.slice(path.lastIndexOf('/') + 1)}/`
}

/**
 * RFC 9110, 13.2.2, but that a date must be the very one that was sent, as nginx has it by default: after a restore of
 * an older backup everything is older than what clients have. Null: no date tells whether something has changed.
 */
function isUnchanged({ headers }: FastifyRequest, etag: string, modified: string | null): boolean {
  const tags = headers['if-none-match']
  if (tags === undefined) return modified !== null && headers['if-modified-since'] === modified
  return tags.split(',').some((tag) => ['*', etag, etag.slice(2)].includes(tag.trim()))
}

async function joined(text: AsyncIterable<string>): Promise<string> {
  let whole = ''
  for await (const part of text) whole += part
  return whole
}

async function lengthOf(text: AsyncIterable<string>): Promise<number> {
  let length = 0
  for await (const part of text) length += Buffer.byteLength(part)
  return length
}

/** Fails, before it has sent so much, where something has changed since the length was told. */
async function* ofLength(length: number, text: AsyncIterable<string>): AsyncGenerator<string> {
  let left = length
  for await (const part of text) {
    left -= Buffer.byteLength(part)
    if (left < 0) break
    yield part
  }
  if (left !== 0) throw new Error('The folder has changed while its listing was sent to a client of HTTP/1.0')
}
