/**
 * The audit trail: who did or tried what, from where. What was done is recorded in the transaction that does it; what was
 * refused, by `record`. It is bounded, and not in the chain of the log.
 */
export interface AuditTrail {
  /** Records what changes nothing else, in one transaction. */
  record(entries: readonly AuditEntry[]): Promise<void>
  /** A page of the trail. It may be short, even empty, and not be the last. */
  audit(query: AuditQuery): Promise<AuditPage>
  /** How much is kept from now on, whatever process writes. */
  limitAudit(limits: AuditLimits): Promise<void>
}

/** What is older goes, and what is more, from the oldest on. What was done has room that refusals cannot take. */
export interface AuditLimits {
  days: number
  rows: number
}

export type Door =
  | 'POST'
  | 'PUT'
  | 'DELETE'
  | 'GET'
  | 'extension'
  | 'mirror'
  | 'bundle'
  | 'tree'
  | 'command line'

/** How something came. */
export interface Origin {
  door: Door
  /** Of the connection, or whom a trusted proxy names. */
  address: string | null
  /** The id that the messages of the program give the request. */
  request: string | null
}

/** What somebody at the data folder does. */
export const commandLine: Origin = { door: 'command line', address: null, request: null }

/** Who does something that is no change of a signature. */
export interface By {
  actor: string | null
  origin: Origin | null
}

export const auditEvents = [
  // What became of signatures, as the log has it; `present`: it was there already.
  'uploaded',
  'present',
  'superseded',
  'removed',
  'withdrawn',
  'reinstated',
  // What else was done.
  'banned',
  'unbanned',
  'token-created',
  'token-revoked',
  'imported',
  'restored',
  // An upload; a withdrawal, a ban and the like; credentials for something else.
  'refused',
  'order-refused',
  'sign-in-refused',
  // `count` events were not recorded one by one: there were too many at once.
  'left-out',
] as const
export type AuditEvent = (typeof auditEvents)[number]

/** Texts may be anything, also what an attacker sent: they are cut, and escaped wherever they are shown. */
export interface AuditEntry {
  event: AuditEvent
  /** Null: nobody who is known here. */
  actor: string | null
  origin: Origin | null
  repository?: string | undefined
  digest?: string | undefined
  /** Hex, of the signature, if it was read. */
  identity?: string | undefined
  /** Hex, of the bytes that came. */
  sha256?: string | undefined
  /** Of a refusal. */
  code?: string | undefined
  /** A sentence for a person: why it was refused; which token, which key. */
  detail?: string | undefined
  /** Its number, where it is stored. */
  signature?: number | undefined
  /** The number of the change. */
  change?: number | undefined
  /** As whoever did it gave it. */
  reason?: string | null | undefined
  /** So many equal ones, the first of them at `since`; absent: this one. */
  count?: number
  since?: number
}

export interface AuditRecord {
  id: number
  time: number
  since: number | null
  event: AuditEvent
  count: number
  door: Door | null
  address: string | null
  request: string | null
  actor: string | null
  repository: string | null
  digest: string | null
  identity: string | null
  sha256: string | null
  code: string | null
  detail: string | null
  signature: number | null
  change: number | null
  reason: string | null
}

export interface AuditQuery {
  event?: AuditEvent
  /** The whole of it, or its first word, such as `token:0a1b2c3d`. */
  actor?: string
  address?: string
  repository?: string
  digest?: string
  code?: string
  /** From this time on. A clock that was set back may hide rows from a query by time. */
  from?: number
  /** Before this time. */
  to?: number
  newestFirst?: boolean
  /** The record before the page, in the order that is asked for. */
  after?: number
  limit: number
}

export interface AuditPage {
  records: AuditRecord[]
  /** For `after`; null where nothing follows. */
  next: number | null
}

/** What a field may hold, in UTF-16 units: what is longer is cut. */
const longest = {
  actor: 300,
  address: 64,
  request: 100,
  repository: 255,
  digest: 160,
  code: 40,
  detail: 500,
  reason: 1000,
}

function cut(text: string | undefined | null, length: number): string | undefined {
  if (text === undefined || text === null) return undefined
  if (text.length <= length && text.isWellFormed()) return text
  // A view into a long text would keep all of it in memory.
  return Buffer.from(text.slice(0, length).toWellFormed()).toString()
}

const hex = (text: string | undefined): string | undefined =>
  text !== undefined && /^[0-9a-f]{64}$/.test(text) ? text : undefined

/** The same, of bounded size, and of characters that any store can hold. */
export function fitting({ origin, actor, ...entry }: AuditEntry): AuditEntry {
  return {
    ...entry,
    actor: cut(actor, longest.actor) ?? null,
    origin: origin && {
      door: origin.door,
      address: cut(origin.address, longest.address) ?? null,
      request: cut(origin.request, longest.request) ?? null,
    },
    repository: cut(entry.repository, longest.repository),
    digest: cut(entry.digest, longest.digest),
    identity: hex(entry.identity),
    sha256: hex(entry.sha256),
    code: cut(entry.code, longest.code),
    detail: cut(entry.detail, longest.detail),
    reason: cut(entry.reason, longest.reason),
  }
}
