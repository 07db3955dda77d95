import { maxSlot } from '../../reference/tree-path.ts'
import type { SourceKey } from '../sources.ts'
import { maxBytesPerLocation } from '../storage.ts'
import type { Reason } from '../withdrawing.ts'
import { prepareRoom } from './append.ts'
import type { Connection } from './connection.ts'
import { prepareLocate } from './locate.ts'
import type { Log, LoggedSignature } from './log.ts'
import type { Moment, Slots } from './slots.ts'
import type { SourceStatements } from './sources.ts'
import { prepareSuperseding } from './supersede.ts'
import type { VerdictStatements } from './verdicts.ts'
import { prepareShown } from './views.ts'
import type { Withdrawals } from './withdraw.ts'

interface Parts {
  log: Log
  slots: Slots
  sources: SourceStatements
  verdicts: VerdictStatements
  withdrawals: Withdrawals
}

/** What a source has no more, as a job of one transaction. */
export function prepareRetract(
  db: Connection,
  { log, slots, sources, verdicts, withdrawals }: Parts,
): (source: string, keys: readonly SourceKey[], why: Reason, moment: Moment) => number {
  const locate = prepareLocate(db)
  const room = prepareRoom(db)
  const shown = prepareShown(db)
  const superseding = prepareSuperseding(db, slots, verdicts)
  const size = db.prepare('SELECT length(blob) FROM signatures WHERE id = ?').pluck()
  const has = db
    .prepare(
      `SELECT 1 FROM slots sl JOIN signatures s ON s.id = sl.signature
       WHERE sl.location = ? AND sl.leaves IS NULL AND s.identity = ?`,
    )
    .pluck()

  const hasIdentity = (location: number, { identity }: LoggedSignature) =>
    has.get(location, Buffer.from(identity, 'hex')) !== undefined
  const sizeOf = ({ id }: LoggedSignature) => size.get(id) as number

  const fits = (location: number, gone: LoggedSignature, instead: LoggedSignature): boolean =>
    !hasIdentity(location, instead) &&
    room(location).bytes - sizeOf(gone) + sizeOf(instead) <= maxBytesPerLocation

  const addWhereRoom = (location: number, signature: LoggedSignature, moment: Moment): void => {
    const taken = room(location)
    if (taken.slots >= maxSlot || taken.bytes + sizeOf(signature) > maxBytesPerLocation) return
    if (!hasIdentity(location, signature)) slots.add(location, signature.id, moment)
  }

  /** What it had superseded, or what that had, as far as somebody has it: the latest first. */
  const wantedInstead = ({ id, identity }: LoggedSignature): LoggedSignature[] =>
    superseding
      .supersededBy(id, identity)
      .toReversed()
      .flatMap((earlier) => {
        const logged = log.signature(earlier)
        if (!logged) return []
        return sources.isAnybodys(earlier) ? [logged] : wantedInstead(logged)
      })

  /** The latest gets the slots of the one that goes, which needs no room; the others get what there is. */
  const bringBack = (gone: LoggedSignature, by: Pick<Reason, 'actor' | 'origin'>, moment: Moment) => {
    const [latest, ...others] = wantedInstead(gone)
    for (const location of latest ? withdrawals.servedAt(gone.id) : [])
      if (latest && fits(location, gone, latest)) slots.replace(location, gone.id, latest.id, moment)
    for (const signature of others) {
      const { repository, digest } = signature
      addWhereRoom(locate({ kind: 'repository', name: repository, digest }).location, signature, moment)
      for (const base of shown.basesFor(repository))
        addWhereRoom(locate({ kind: 'view', name: base, digest }).location, signature, moment)
    }
    for (const signature of latest ? [latest, ...others] : []) {
      if (!withdrawals.servedAt(signature.id).length) continue
      superseding.revive(signature.id)
      verdicts.mustTry(signature.id)
      log.write('reinstated', signature, { ...by, time: moment.time })
    }
  }

  return (source, keys, { actor, reason, origin, graceSeconds }, moment) => {
    const gone = sources
      .drop(source, keys)
      .filter((id) => withdrawals.servedAt(id).length > 0)
      .flatMap((id) => log.signature(id) ?? [])
    for (const signature of gone) {
      log.write('removed', signature, { time: moment.time, actor, reason, origin })
      bringBack(signature, { actor, origin }, moment)
    }
    const ids = gone.map(({ id }) => id)
    withdrawals.takeAway(ids, graceSeconds, moment)
    return gone.length
  }
}
