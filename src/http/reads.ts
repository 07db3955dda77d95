import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  formatLocation,
  type Location,
  normaliseUrlPath,
  parseFolder,
  parseSlotPath,
} from '../reference/tree-path.ts'
import type { Reading, Slot } from '../storage/storage.ts'
import { fieldsOf, prepareHead, sendPrepared } from './prepared-answer.ts'
import type { PreparedLocation, PreparedSlot, SlotCache } from './slot-cache.ts'

export const treePrefix = 'signatures/'

/** Of more locations than this that changed between two reads, it is cheaper to forget everything than to follow each. */
const maxChangesToFollow = 10_000

export interface ReadsOptions {
  storage: Reading
  cache: SlotCache
  /** How long a client may keep an answer without asking again; 0: it always asks. */
  cacheSeconds: number
  /** Unix milliseconds. */
  clock(): number
  onError(error: unknown): void
  /** Counted on. */
  counts: ReadCounts
  /** Hears of locations that have no signature, when their first one is asked for. */
  onMissed(path: string): void
}

/** How many were answered in which way. */
export interface ReadCounts {
  ok: number
  notModified: number
  notFound: number
  failed: number
}

export type Reads = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * The hot path: every GET and HEAD below /signatures/ but those for folders. Answers are exact: what was committed by any
 * process of this data folder before the event loop turned to a request is in the answer. Nothing is signed in, throttled
 * or logged here: clients take any status but 200 and 404 for a broken image.
 * @returns a handler that answers what is below /signatures/ but for folders and other methods, and says whether it did
 */
export async function startReads({
  storage,
  cache,
  cacheSeconds,
  clock,
  onError,
  counts,
  onMissed,
}: ReadsOptions): Promise<Reads> {
  const cacheControl = cacheSeconds > 0 ? `public, max-age=${cacheSeconds}` : 'no-cache'
  const common = ['Cache-Control', cacheControl, 'X-Content-Type-Options', 'nosniff']
  const notFound = prepareHead(404, ['Content-Length', '0', ...common])
  const failed = prepareHead(500, ['Content-Length', '0', ...common])
  let followed = await storage.version()
  let askedThisTurn = false
  let behind = true
  let catchingUp: Promise<void> | null = null
  /** Grows with everything forgotten: an answer read before that must not be remembered after it. */
  let forgotten = 0

  /** Null where everything remembered is current. */
  const current = (): Promise<void> | null => {
    if (catchingUp) return catchingUp
    if (askedThisTurn && !behind) return null
    if (!askedThisTurn) setImmediate(nextTurn)
    askedThisTurn = true
    behind ||= hasNews()
    if (!behind) return null
    catchingUp = catchUp().finally(() => {
      catchingUp = null
    })
    // Told to whoever waits for it: that may be nobody, who asked for a folder.
    catchingUp.catch(() => {})
    return catchingUp
  }

  /** A database that fails to answer is asked again, in full, by `catchUp`. */
  const hasNews = (): boolean => {
    try {
      return storage.news()
    } catch {
      return true
    }
  }

  const nextTurn = () => {
    askedThisTurn = false
  }

  const catchUp = async () => {
    const version = await storage.version()
    if (version - followed > maxChangesToFollow) {
      cache.clear()
      followed = version
    }
    while (followed < version) {
      const { locations, version: reached } = await storage.changedSince(followed, 1000)
      for (const location of locations) cache.forget(formatLocation(location))
      followed = reached
    }
    forgotten++
    behind = false
  }

  const load = async (location: Location, key: string): Promise<PreparedLocation> => {
    const before = forgotten
    const slots = await storage.slots(location)
    const now = clock()
    const prepared = {
      slots: slots.map((slot) => prepare(slot, common, now)),
      until: Math.min(...slots.map((slot) => validUntil(slot, now))),
    }
    if (before === forgotten) cache.put(key, prepared)
    return prepared
  }

  /** Slots that go soon go without a change that this process would see. */
  const remembered = (key: string): PreparedLocation | undefined => {
    const location = cache.get(key)
    return location && (location.until === Number.POSITIVE_INFINITY || clock() < location.until)
      ? location
      : undefined
  }

  const answer = (request: IncomingMessage, response: ServerResponse, slot: PreparedSlot | undefined) => {
    if (!slot) {
      counts.notFound++
      sendPrepared(response, notFound, null)
    } else if (isNotModified(request.rawHeaders, slot)) {
      counts.notModified++
      response.writeHead(304, fieldsOf(slot.head).slice(contentFields))
      response.end()
    } else {
      counts.ok++
      sendPrepared(response, slot.head, request.method === 'HEAD' ? null : slot.body)
    }
  }

  /** The way of what is not remembered, or not written as clients write it. */
  const answerSlowly = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    try {
      await current()
      const parsed = parseSlotPath(path.slice(treePrefix.length))
      if (!parsed) return answer(request, response, undefined)
      const key = formatLocation(parsed.location)
      const { slots } = remembered(key) ?? (await load(parsed.location, key))
      answer(request, response, slots[parsed.slot - 1])
      if (slots.length === 0 && parsed.slot === 1) onMissed(key)
    } catch (error) {
      counts.failed++
      onError(error)
      if (response.headersSent) response.end()
      else sendPrepared(response, failed, null)
    }
  }

  return (request, response) => {
    const { method, url = '' } = request
    if (method !== 'GET' && method !== 'HEAD') return false
    const end = url.lastIndexOf('/signature-')
    if (end > 12 && url.startsWith('/signatures/') && !current()) {
      // Only canonical paths are keys of the cache, so whatever is found by the text of the URL is what it names.
      const location = remembered(url.slice(12, end))
      const slot = location && slotNumbers.get(url.slice(end + 11))
      if (location && slot) {
        answer(request, response, location.slots[slot - 1])
        if (location.slots.length === 0 && slot === 1) onMissed(url.slice(12, end))
        return true
      }
    }
    const path = normaliseUrlPath(url)
    if (path === null ? !/^\/+signatures\//.test(url) : !path.startsWith(treePrefix)) return false
    // No path that a client makes of an image and a slot is that of a folder.
    if (path !== null && parseFolder(path.slice(treePrefix.length)) !== null) return false
    void answerSlowly(request, response, path ?? treePrefix)
    return true
  }
}

const slotNumbers = new Map(Array.from({ length: 127 }, (_, index) => [String(index + 1), index + 1]))

/** The first fields of a head, names and values: those that an answer without a body has not. */
const contentFields = 4

/** Unix milliseconds: when the slot goes, or its time, which was ahead, is reached. */
function validUntil({ leaves, modified }: Slot, now: number): number {
  return Math.min(
    leaves === null ? Number.POSITIVE_INFINITY : leaves * 1000,
    modified * 1000 > now ? modified * 1000 : Number.POSITIVE_INFINITY,
  )
}

/**
 * RFC 9110, 8.8.2.1: Last-Modified never lies in the future, even if the clock did when the slot was written. Until then
 * what it has may change again under the date that is sent, so that no date is an answer.
 */
function prepare({ sha256, blob, ...slot }: Slot, common: string[], now: number): PreparedSlot {
  const etag = `"${sha256}"`
  const isAhead = slot.modified * 1000 > now
  const modified = isAhead ? Math.floor(now / 1000) : slot.modified
  const content = ['Content-Type', 'application/octet-stream', 'Content-Length', String(blob.length)]
  const validators = ['ETag', etag, 'Last-Modified', new Date(modified * 1000).toUTCString()]
  return {
    etag,
    modified: isAhead ? Number.POSITIVE_INFINITY : modified,
    head: prepareHead(200, [...content, ...validators, ...common]),
    body: Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('latin1'),
  }
}

/** RFC 9110, 13.2.2: If-None-Match decides alone where it is given, compared weakly; else If-Modified-Since. */
function isNotModified(rawHeaders: string[], { etag, modified }: PreparedSlot): boolean {
  let since: string | undefined
  let tags: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 13 && name.toLowerCase() === 'if-none-match')
      tags = tags === undefined ? rawHeaders[index + 1] : `${tags},${rawHeaders[index + 1]}`
    if (name.length === 17 && name.toLowerCase() === 'if-modified-since') since = rawHeaders[index + 1]
  }
  if (tags !== undefined)
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  return since !== undefined && httpDate.test(since) && modified * 1000 <= Date.parse(since)
}

/** RFC 9110, 5.6.7, as everybody has sent it since 1997; what is written otherwise is answered in full. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
