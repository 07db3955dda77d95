import { Refusal } from '../refusal.ts'
import { fetchBlob } from './blob.ts'
import type { AskFeed, FeedState } from './feed.ts'
import { maxPageBytes, pageLimit, readSignaturesPage } from './feed-page.ts'
import { pause } from './fetch.ts'
import { countIn, newTally } from './pace.ts'
import type { Destination, Fetch } from './source.ts'
import { SourceTrouble } from './trouble.ts'
import { workThrough } from './work-through.ts'

/** As many requests as may be under way, and as many that are admitted meanwhile. */
const concurrency = 8

interface Comparison {
  fetch: Fetch
  server: string
  ask: AskFeed
  signal: AbortSignal
}

/**
 * Brings what is here to what a Lookaside has now: fetches what is missing, and takes away what it has no more. The log
 * is to be followed from the state that is returned, which is from before; null where `signal` ended it.
 */
export async function compare(destination: Destination, comparison: Comparison): Promise<FeedState | null> {
  const { fetch, server, ask, signal } = comparison
  const { epoch, head } = await ask({ after: 0, limit: 1 })
  const last = head ? (await ask({ after: head - 1, limit: 1 })).changes[0] : null
  const state = { epoch, seq: head, mark: last?.mark ?? '' }
  let done = 0
  await destination.beginRound()
  for (let after: number | null = 0; after !== null; ) {
    const { status, body } = await fetch(`/api/v1/signatures?after=${after}&limit=${pageLimit}`, {
      base: server,
      maxBytes: maxPageBytes,
      signal,
    })
    if (status !== 200)
      throw new SourceTrouble(`${server} does not list its signatures: it answers ${status}`)
    const began = performance.now()
    const { signatures, refused, next } = readSignaturesPage(body, after)
    if (!signatures.length && !refused && next !== null)
      throw new SourceTrouble(`${server} lists pages with nothing on them`)
    const tally = newTally({ done: signatures.length + refused, refused })
    const missing = new Set<unknown>(await destination.confirm(signatures))
    const wanted = signatures.filter((signature) => missing.has(signature)).reverse()
    await workThrough(wanted, concurrency, async (signature) => {
      if (signal.aborted) return
      const { repository, digest, sha256 } = signature
      const { status, body } = await fetchBlob(fetch, `/api/v1/blobs/${sha256}`, { base: server, signal })
      // It went since it was listed; the log tells of it.
      if (status === 404) return void tally.refused++
      if (status !== 200) throw new SourceTrouble(`${server} does not give ${sha256}: it answers ${status}`)
      if (body instanceof Refusal) {
        tally.refused++
        return destination.refuse(`${repository}@${digest}`, body)
      }
      countIn(tally, await destination.take(signature, body))
    }).finally(() => pause(destination.pace.after(tally, performance.now() - began), signal))
    if (signal.aborted) return null
    done += signatures.length
    destination.report({ done })
    // Those after it come with the log.
    after = next !== null && next <= head ? next : null
  }
  if (signal.aborted) return null
  await destination.endRound()
  await destination.setState(state)
  return state
}
