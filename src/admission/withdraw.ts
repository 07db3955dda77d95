import { setImmediate as nextTurn } from 'node:timers/promises'
import { parsePattern } from '../access/pattern.ts'
import { may, type Principal } from '../access/principal.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Origin } from '../storage/audit.ts'
import type { AddedSignature, Change, Reading } from '../storage/storage.ts'
import type { BannedKey, Standing, Withdrawing } from '../storage/withdrawing.ts'
import type { Admit, Admitted } from './admit.ts'

/** One answer is about no more than this, so that it does not take too long; the next one goes on. */
const maxWithdrawn = 2000

/** So many are looked up between two turns of the event loop. */
const foundAtOnce = 500

/** About so many go in one commit, and uploads have their turn after it. */
const withdrawnAtOnce = 100

/** What one transaction of the store takes. */
const maxAtOnce = 256

const maxReasonLength = 1000

/** Who wants it, and why, as everybody can read it in the log. */
export interface Order {
  principal: Principal
  /** As the log shows it. */
  actor: string
  /** By which door it came, for the audit trail. */
  origin: Origin
  reason: string
}

/** One; all of a digest at a repository; all that name a key, by its fingerprint, everywhere or at a repository. */
export type Selection =
  | { id: number }
  | { repository: Repository; digest: Digest }
  | { key: string; repository?: Repository }

export interface Withdrawn {
  /** Those that were not withdrawn before. `change` is the number of the change. */
  withdrawn: { id: number; repository: Repository; digest: Digest; identity: string; change: number }[]
  /** For `after`; null where there is nothing left to withdraw. */
  next: number | null
}

export type Banned = BannedKey & Withdrawn

/** Taking signatures back. Whatever was interrupted is repeated: what is done is not done twice. */
export interface Withdrawals {
  /** Of those with a number above `after`. @throws Refusal bad-request, not-found, not-allowed */
  withdraw(order: Order & { which: Selection; after?: number }): Promise<Withdrawn>
  /**
   * Lets one back in by the way that uploads take, policy and all. The right to withdraw it is what it takes: who may
   * not take it away must not undo that, whatever else he may upload.
   * @throws Refusal bad-request, not-found, not-allowed, and every refusal of admission
   */
  reinstate(order: Order & { id: number }): Promise<Admitted>
  /**
   * Refuses the key from now on, and withdraws what names it: the rest, after `next`, as with `withdraw`.
   * @throws Refusal bad-request, not-allowed
   */
  ban(order: Order & { fingerprint: string }): Promise<Banned>
  /** What was withdrawn stays so. @throws Refusal not-found, not-allowed */
  unban(order: Omit<Order, 'reason'> & { fingerprint: string }): Promise<void>
}

type WithdrawalStorage = Pick<Reading, 'added' | 'find' | 'standing' | 'bannedKeys'> &
  Pick<Withdrawing, 'withdraw' | 'withdrawn' | 'banKey' | 'unbanKey'>

/** Who may take back what, for every door. */
export function withdrawals(
  storage: WithdrawalStorage,
  admit: Admit,
  graceSeconds: number,
  clock: () => number = Date.now,
): Withdrawals {
  const signatureOf = async (id: number): Promise<AddedSignature> => {
    const [signature] = await storage.added(id - 1, 1)
    if (signature?.id !== id) throw new Refusal('not-found', `There is no signature ${id}`)
    return signature
  }

  const withdrawOne = async (id: number, { principal, ...why }: Order): Promise<Withdrawn> => {
    requireWithdraw(principal, (await signatureOf(id)).repository)
    return {
      withdrawn: (await storage.withdraw([id], { ...why, graceSeconds })).map(shown),
      next: null,
    }
  }

  const withdrawAll = async (
    which: Exclude<Selection, { id: number }>,
    after: number,
    { principal, ...why }: Order,
  ): Promise<Withdrawn> => {
    if ('key' in which) requireFingerprint(which.key)
    requireWithdraw(principal, which.repository)
    const found = await findStanding(which, after)
    const withdrawn: Withdrawn['withdrawn'] = []
    for (const ids of inBatches(found.filter(({ repository }) => may(principal, 'withdraw', repository))))
      withdrawn.push(...(await storage.withdraw(ids, { ...why, graceSeconds })).map(shown))
    return { withdrawn, next: found.length < maxWithdrawn ? null : (found.at(-1)?.id ?? null) }
  }

  const findStanding = async (which: Exclude<Selection, { id: number }>, after: number) => {
    const found: Standing[] = []
    for (let page: Standing[] = []; found.length < maxWithdrawn; found.push(...page)) {
      page = await storage.standing({ ...which, after: found.at(-1)?.id ?? after, limit: foundAtOnce })
      if (!page.length) break
      await nextTurn()
    }
    return found
  }

  return {
    async withdraw({ which, after = 0, ...order }) {
      requireReason(order.reason)
      return 'id' in which ? withdrawOne(which.id, order) : withdrawAll(which, after, order)
    },

    async reinstate({ id, principal, actor, origin, reason }) {
      requireReason(reason)
      // Served: the answer to the first request may have been lost.
      const signature = (await storage.withdrawn(id)) ?? (await storage.find(id))
      const { repository, digest, blob } = signature ?? (await signatureOf(id))
      requireWithdraw(principal, repository)
      if (!signature) throw new Refusal('not-found', `Signature ${id} is not withdrawn`)
      const pattern = parsePattern(repository)
      return admit({
        bytes: blob,
        repository,
        digest,
        // It was put there by somebody who might.
        principal: {
          name: principal.name,
          scopes: [
            { action: 'push', pattern },
            { action: 'relocate', pattern },
          ],
        },
        actor,
        origin,
        reinstate: { reason },
      })
    },

    async ban({ fingerprint, ...order }) {
      requireReason(order.reason)
      requireFingerprint(fingerprint)
      requireWithdraw(order.principal)
      const { actor, reason, origin } = order
      await storage.banKey({ fingerprint, time: clock(), actor, reason }, origin)
      const ban = (await storage.bannedKeys()).find((banned) => banned.fingerprint === fingerprint)
      if (!ban) throw new Refusal('busy', `The ban of ${fingerprint} was lifted meanwhile; try again`)
      return { ...ban, ...(await withdrawAll({ key: fingerprint }, 0, order)) }
    },

    async unban({ fingerprint, principal, actor, origin }) {
      requireFingerprint(fingerprint)
      requireWithdraw(principal)
      if (!(await storage.unbanKey(fingerprint, { actor, origin })))
        throw new Refusal('not-found', `The key ${fingerprint} is not banned`)
    },
  }
}

/** The same place is not in two batches: what its slots have can change but once a second. */
function inBatches(found: readonly Standing[]): number[][] {
  const places = Map.groupBy(found, ({ repository, digest }) => `${repository}@${digest}`)
  const batches: number[][] = [[]]
  for (const place of places.values()) {
    const ids = place.map(({ id }) => id)
    const last = batches.at(-1) as number[]
    if (last.length + ids.length <= withdrawnAtOnce) last.push(...ids)
    else for (let at = 0; at < ids.length; at += maxAtOnce) batches.push(ids.slice(at, at + maxAtOnce))
  }
  return batches.filter((batch) => batch.length)
}

/** Without a repository: everywhere. */
function requireWithdraw(principal: Principal, repository?: Repository): void {
  if (!may(principal, 'withdraw', repository))
    throw new Refusal('not-allowed', `${principal.name} has no right withdraw:${repository ?? '**'}`)
}

function requireReason(reason: string): void {
  if (reason.trim() === '' || reason.length > maxReasonLength || /[\p{C}\p{Zl}\p{Zp}]/u.test(reason))
    throw new Refusal(
      'bad-request',
      `Say why: a reason of 1 to ${maxReasonLength} characters, without control or invisible characters`,
    )
}

/** Whoever wants to can make a key of a given key id, so that an id is not enough. */
function requireFingerprint(text: string): void {
  if (!/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(text))
    throw new Refusal('bad-request', 'A key is named by its whole fingerprint: 40 hex digits, or 64')
}

function shown({ signature, repository, digest, identity, seq }: Change): Withdrawn['withdrawn'][number] {
  return { id: signature, repository, digest, identity, change: seq }
}
