import type { Repository } from '../reference/repository.ts'
import { formatSlotPath, type Location, maxSlot } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { SourceKey } from '../storage/sources.ts'
import { type FetchedBlob, fetchBlob } from './blob.ts'
import type { Destination, Fetch, Fetched } from './source.ts'
import { SourceTrouble } from './trouble.ts'

/** A slot of the source, as it was when it was last read. */
export interface SeenSlot {
  /** Of what is no signature: null. */
  identity: string | null
  /** When it was, Unix milliseconds: what was refused long ago may be admitted by now. */
  refused?: number
  /** Where it is in a digest view: the repository that its claim names. */
  repository?: Repository
  etag?: string
  /** Its Last-Modified. */
  modified?: string
  /** It had changed so shortly before that neither of them says whether it did once more. */
  isFresh?: true
}

/** What is to be asked, and where it goes. */
export interface Reading {
  destination: Destination
  fetch: Fetch
  signal: AbortSignal
  clock: () => number
}

export interface SlotsSeen {
  slots: SeenSlot[]
  /** Those that the source says are as they were. */
  unchanged: SeenSlot[]
  /** By the clock of the source, from before they were read, Unix milliseconds. */
  asked: number
}

/** Longer than any server's. */
const maxValidator = 200

/** HTTP times have whole seconds, and nginx makes its ETag of them: two changes in one look like one. */
const freshMilliseconds = 2000

const refusedAgainMilliseconds = 24 * 3600 * 1000

/**
 * Reads the slots of a location from the first to the last that is there, at most `limit`, and takes what is new. Those
 * that are noted are asked for only if they have changed.
 */
export async function readSlots(
  location: Location,
  noted: readonly SeenSlot[],
  limit: number,
  reading: Reading,
): Promise<SlotsSeen> {
  const seen = await readOnce(location, noted, limit, reading)
  const isLost = noted.some(({ identity }, index) => identity !== seen.slots[index]?.identity)
  // One that was renamed to a lower slot may look there as what it took the place of: of the same second and size.
  return isLost && seen.unchanged.length > 0 ? readOnce(location, [], limit, reading) : seen
}

async function readOnce(
  location: Location,
  noted: readonly SeenSlot[],
  limit: number,
  reading: Reading,
): Promise<SlotsSeen> {
  const { fetch, signal, clock } = reading
  const seen: SlotsSeen = { slots: [], unchanged: [], asked: 0 }
  for (let slot = 1; slot <= Math.min(limit, maxSlot); slot++) {
    const before = noted[slot - 1]
    const headers = before ? conditionOf(before, clock()) : null
    const path = formatSlotPath(location, slot)
    const answer = await fetchBlob(fetch, `/${path}`, { signal, ...(headers && { headers }) })
    const { status } = answer
    const date = Date.parse(answer.headers.date ?? '') || clock()
    seen.asked ||= date
    if (status === 404) break
    if (status === 304 && before && headers) {
      seen.slots.push(before)
      seen.unchanged.push(before)
    } else if (status === 200) seen.slots.push(await takeSlot(location, slot, answer, date, reading))
    else throw troubleOf(status)
  }
  return seen
}

/** What is here of a location, if the source says that its slots are as they were seen. */
export function keysOf(location: Location, slots: readonly SeenSlot[]): SourceKey[] {
  return slots.flatMap(({ identity, refused, repository = location.name as Repository }) =>
    identity === null || refused !== undefined ? [] : [{ repository, digest: location.digest, identity }],
  )
}

async function takeSlot(
  location: Location,
  slot: number,
  { headers, body }: FetchedBlob,
  date: number,
  { destination, clock }: Reading,
): Promise<SeenSlot> {
  if (isPage(headers, body))
    throw new SourceTrouble(
      'it answers with a page, as a portal or a fallback does, where a signature or 404 is wanted',
    )
  const validators = validatorsIn(headers, date)
  const refuse = (why: Refusal): SeenSlot => {
    destination.refuse(formatSlotPath(location, slot), why)
    return { identity: null, refused: clock(), ...validators }
  }
  if (body instanceof Refusal) return refuse(body)
  const repository = repositoryOf(location, body)
  if (repository instanceof Refusal) return refuse(repository)
  const at = { repository, digest: location.digest }
  const { outcome, identity } = await destination.take(at, body)
  // What is here stays, whatever the policy would say today: the source has it.
  const isMissing = async () =>
    identity === null || (await destination.confirm([{ ...at, identity }])).length > 0
  const isRefused = outcome === 'refused' && (await isMissing())
  return {
    identity,
    ...(isRefused && { refused: clock() }),
    ...(location.kind === 'view' && { repository }),
    ...validators,
  }
}

/** Some call signatures HTML, too; those do not look like it, and are not so long. */
function isPage({ 'content-type': type = '' }: Fetched['headers'], body: Buffer | Refusal): boolean {
  if (!/^text\/html\b/i.test(type)) return false
  return body instanceof Refusal || /^\s*</.test(body.toString('latin1', 0, 100))
}

/** A digest view does not say it, but what is in it does. */
function repositoryOf({ kind, name }: Location, body: Buffer): Repository | Refusal {
  if (kind === 'repository') return name as Repository
  try {
    return readSignature(body).claim.reference.path
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

function validatorsIn(
  { etag = '', 'last-modified': modified = '' }: Fetched['headers'],
  date: number,
): Pick<SeenSlot, 'etag' | 'modified' | 'isFresh'> {
  return {
    ...(etag !== '' && etag.length <= maxValidator && { etag }),
    ...(modified !== '' && modified.length <= maxValidator && { modified }),
    ...(date - Date.parse(modified) < freshMilliseconds && { isFresh: true }),
  }
}

function conditionOf(
  { etag, modified, isFresh, refused }: SeenSlot,
  time: number,
): Record<string, string> | null {
  if (isFresh || isLongRefused(refused, time)) return null
  if (etag !== undefined) return { 'if-none-match': etag }
  return modified === undefined ? null : { 'if-modified-since': modified }
}

/** Whether it is to be tried again. */
export function isLongRefused(refused: number | undefined, time: number): boolean {
  return refused !== undefined && time - refused >= refusedAgainMilliseconds
}

function troubleOf(status: number): SourceTrouble {
  if (status === 403)
    return new SourceTrouble(
      'it answers 403, where it must answer 404 if there is no signature, or clients fail; a bucket answers 404 where it may be listed',
    )
  return new SourceTrouble(`it answers ${status}, where clients know 200 and 404`)
}
