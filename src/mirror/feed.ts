import { compare } from './compare.ts'
import {
  type FeedChange,
  type FeedPage,
  type FeedStep,
  maxPageBytes,
  pageLimit,
  readFeedPage,
} from './feed-page.ts'
import { pause } from './fetch.ts'
import { countIn, newTally, type Tally } from './pace.ts'
import type { Destination, Fetch, Source } from './source.ts'
import { SourceTrouble } from './trouble.ts'
import { workThrough } from './work-through.ts'

/** How far a log has been followed: `mark` says that it is this log and no other. */
export interface FeedState {
  epoch: string
  seq: number
  mark: string
}

/** How long the source may keep a question open; below the 30 s of the server, and the 60 s of proxies. */
export const waitSeconds = 25

/** What an answer may take beside that. */
const patience = (waitSeconds + 35) * 1000

/** A source that answers at once when it should wait is not asked more often. */
const emptyPageMilliseconds = 1000

/** Locations that are brought up to date at once: their signatures share commits. */
const concurrency = 128

export interface FeedQuestion {
  after: number
  limit?: number
  blobs?: boolean
  wait?: number
}

export type AskFeed = (question: FeedQuestion) => Promise<FeedPage>

/** The server that a tree is of, and where its feed is. */
export function serverOf(from: string): string {
  return from.replace(/\/signatures$/, '')
}

/** What web servers answer where there is nothing, or nothing to be seen. */
const noFeed = new Set([401, 403, 404, 405, 410])

/** A web server that answers everything with a page has no change log either. */
const openingBrace = 0x7b

/** Asks the change log of another Lookaside; null where there is none at that URL. */
export function feedAt(
  fetch: Fetch,
  server: string,
): (question: FeedQuestion, signal: AbortSignal) => Promise<FeedPage | null> {
  return async ({ after, limit = pageLimit, blobs = false, wait = 0 }, signal) => {
    const query = new URLSearchParams({ after: `${after}`, limit: `${limit}` })
    if (blobs) query.set('blobs', 'true')
    if (wait) query.set('wait', `${wait}`)
    const { status, headers, body } = await fetch(`/api/v1/changes?${query}`, {
      base: server,
      maxBytes: maxPageBytes,
      patience,
      signal,
    })
    // Only a Lookaside explains itself like that.
    const isExplained = headers['content-type']?.startsWith('application/problem+json')
    if ((status === 401 || status === 403) && isExplained)
      throw new SourceTrouble(
        `${server} wants a token that may read everything (read:**): it answers ${status}`,
      )
    if (noFeed.has(status) || (status === 200 && body[0] !== openingBrace)) return null
    if (status !== 200)
      throw new SourceTrouble(`${server} does not show its change log: it answers ${status}`)
    return readFeedPage(body, after)
  }
}

/**
 * Another Lookaside, by its change log. One that is not the log it was, or that a first copy was made of in another way,
 * is compared with what is here; what is here already is not fetched again.
 */
export function feedSource(fetch: Fetch, server: string): Source {
  const feed = feedAt(fetch, server)
  return {
    kind: 'feed',
    async copy(destination, { follow, signal }) {
      const ask: AskFeed = async (question) => {
        const page = await feed(question, signal)
        if (page) return page
        throw new SourceTrouble(`${server} has no change log any more`)
      }
      const known = await knownState(destination, ask)
      const state = known ?? (await compare(destination, { fetch, server, ask, signal }))
      if (state) await followFrom(state, destination, { ask, follow, signal })
    },
  }
}

/** Where to go on, if the log is still the one that it was; null where what is here has to be compared with it. */
async function knownState(destination: Destination, ask: AskFeed): Promise<FeedState | null> {
  const state = (await destination.state()) as FeedState | null
  const { epoch, changes } = await ask({ after: Math.max((state?.seq ?? 0) - 1, 0), limit: 1 })
  await refuseItself(epoch, destination)
  if (!state) return (await destination.contributed(1)) ? null : { epoch, seq: 0, mark: '' }
  if (epoch !== state.epoch) return null
  return state.seq === 0 || changes[0]?.mark === state.mark ? state : null
}

/** Each signature would come back as another one, below the prefix, and again below that. */
async function refuseItself(epoch: string, destination: Destination): Promise<void> {
  if (epoch === (await destination.epoch()))
    throw new SourceTrouble('its change log is the one of this very data folder')
}

/** @returns when the end is reached, or with `follow` when `signal` says so */
async function followFrom(
  start: FeedState,
  destination: Destination,
  { ask, follow, signal }: { ask: AskFeed; follow: boolean; signal: AbortSignal },
): Promise<void> {
  let state = start
  let done = 0
  let upcoming: Promise<FeedPage> | null = null
  let waiting = 0
  for (;;) {
    const asked = performance.now()
    const page = await (upcoming ?? ask({ after: state.seq, blobs: true, wait: waiting }))
    upcoming = null
    if (signal.aborted) return
    if (page.epoch !== state.epoch || page.head < page.next)
      throw new SourceTrouble('its change log is another one now')
    const isBehind = page.next < page.head
    if (!page.changes.length && isBehind)
      throw new SourceTrouble(`its change log ends at ${state.seq}, and should go on to ${page.head}`)
    if (isBehind) {
      upcoming = ask({ after: page.next, blobs: true })
      // Where something else ends this, nobody asks for it.
      upcoming.catch(() => {})
    }
    const began = performance.now()
    const tally = await apply(page.changes, destination, signal)
    if (signal.aborted) return
    const last = page.changes.at(-1)
    if (last) {
      state = { epoch: page.epoch, seq: last.seq, mark: last.mark }
      await destination.setState(state)
    }
    done += page.changes.length
    destination.report({
      done,
      total: done + page.head - page.next,
      lagChanges: page.head - page.next,
      ...(last && { lastChange: last.time }),
    })
    if (!isBehind && !follow) return
    const rest = destination.pace.after(tally, performance.now() - began)
    const early = last || !waiting ? 0 : emptyPageMilliseconds - (performance.now() - asked)
    waiting = isBehind ? 0 : waitSeconds
    if (Math.max(rest, early) > 0) await pause(Math.max(rest, early), signal)
    if (signal.aborted) return
  }
}

/** In the order of the log at each location. Of changes to one signature the last counts. */
async function apply(
  changes: readonly FeedChange[],
  destination: Destination,
  signal: AbortSignal,
): Promise<Tally> {
  const tally = newTally({ done: changes.length })
  const locations = new Map<string, Map<string, FeedStep>>()
  for (const { seq, what } of changes) {
    if (what instanceof Error) {
      tally.refused++
      destination.refuse(`change ${seq}`, what)
      continue
    }
    const name = `${what.repository}@${what.digest}`
    const steps = locations.get(name) ?? new Map<string, FeedStep>()
    locations.set(name, steps)
    // It moves to the end.
    steps.delete(what.identity)
    steps.set(what.identity, what)
  }
  // The last one comes first.
  await workThrough([...locations.values()].reverse(), concurrency, async (steps) => {
    if (!signal.aborted) await applyAt([...steps.values()], destination, tally)
  })
  return tally
}

async function applyAt(steps: FeedStep[], destination: Destination, tally: Tally): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (step.blob) {
      countIn(tally, await destination.take(step, step.blob))
    } else if (!step.present && !isGoing(steps[index - 1])) {
      const run = steps.slice(index)
      const end = run.findIndex((other) => !isGoing(other))
      const gone = await destination.retract(end < 0 ? run : run.slice(0, end))
      tally.removed += gone
    }
  }
}

function isGoing(step: FeedStep | undefined): boolean {
  return step !== undefined && !step.present
}
