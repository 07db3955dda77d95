import { formatLocation, maxSlot } from '../../reference/tree-path.ts'
import { Refusal } from '../../refusal.ts'
import { requireFound } from '../damaged.ts'
import type { Appended, StoredSignature, StoredSigner } from '../storage.ts'
import { maxBytesPerLocation, type NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
import { type Located, prepareFind, prepareLocate } from './locate.ts'
import type { Log } from './log.ts'
import type { Reads } from './read.ts'
import { type Moment, NextSecond, type Slots } from './slots.ts'
import type { SourceStatements } from './sources.ts'
import { prepareSuperseding, type Superseding } from './supersede.ts'
import { prepareUnwanted } from './unwanted.ts'
import type { VerdictStatements } from './verdicts.ts'

interface Parts {
  reads: Reads
  log: Log
  slots: Slots
  sources: SourceStatements
  verdicts: VerdictStatements
}

/** The append, as a job of one transaction: it may throw at any step, and the transaction undoes what it did. */
export function prepareAppend(db: Connection, { reads, log, slots, sources, verdicts }: Parts) {
  const find = prepareFind(db)
  const locate = prepareLocate(db)
  const superseding = prepareSuperseding(db, slots, verdicts)
  const unwanted = prepareUnwanted(db, log)
  const room = prepareRoom(db)
  const inView = db.prepare(
    `SELECT s.id, sl.slot, sl.modified, length(s.blob) AS size FROM slots sl JOIN signatures s ON s.id = sl.signature
     WHERE sl.location = ? AND s.identity = ? AND sl.leaves IS NULL ORDER BY sl.slot`,
  )
  const insertSignature = db.prepare(
    `INSERT INTO signatures (id, place, location, identity, sha256, format, docker_reference, unverified_key_id,
       unverified_fingerprint, unverified_created, unverified_expires, blob, local)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const isSeen = db.prepare('SELECT 1 FROM hosts WHERE host = ?').pluck()
  const insertHost = db.prepare('INSERT INTO hosts VALUES (?, ?)')
  const otherHosts = db.prepare('SELECT host FROM hosts WHERE host <> ? ORDER BY seen, host LIMIT 10').pluck()

  const firstSight = (host: string, time: number): string[] | null => {
    if (isSeen.get(host) !== undefined) return null
    insertHost.run(host, time)
    const others = otherHosts.all(host) as string[]
    return others.length ? others : null
  }

  const served = (id: number): StoredSignature => requireFound(reads.find(id), `Signature ${id}`)

  /** One that was just added, as `served` would find it. */
  const justAdded = (id: number, slot: number, signature: NewSignature, time: number): StoredSignature => {
    const { home, identity, sha256, format, dockerReference, blob, actor } = signature
    const signer = signature.signer && storedSigner(signature.signer)
    return {
      ...{ id, repository: home.name, digest: home.digest, slot, identity, sha256 },
      ...{ format, dockerReference, signer, blob, added: time, actor },
      ...verdicts.verdictFor(id, signer),
    }
  }

  /** Stores it, or finds it where it was stored before and taken away. `next` is the number of a new one. */
  const store = (
    signature: NewSignature,
    { place, location }: Located,
    { returning, next }: { returning: number | null; next: number },
  ): number => {
    const { identity, sha256, format, dockerReference, signer, blob, checks } = signature
    const id = returning ?? next
    if (returning === null)
      insertSignature.run(
        id,
        place,
        location,
        Buffer.from(identity, 'hex'),
        Buffer.from(sha256, 'hex'),
        format,
        dockerReference,
        signer?.unverifiedKeyId ?? null,
        signer?.unverifiedFingerprint ?? null,
        signer?.unverifiedCreated ?? null,
        signer?.unverifiedExpires ?? null,
        blob,
        signature.source ? 0 : 1,
      )
    else superseding.revive(id)
    verdicts.addFirstChecks(id, checks, signer)
    // Whose it was before it was withdrawn, it is again; if nobody has it any more, it is of whoever wants it back.
    const isNew = returning === null || !signature.reinstate || !sources.isAnybodys(id)
    // What is uploaded was inserted as local.
    if (isNew && (signature.source || returning !== null)) sources.contribute(id, signature.source)
    return id
  }

  /**
   * A full view keeps its first signatures: the repository has them all. What is in it from another repository stays,
   * unless it is a copy that no key has made: that gives its slot away.
   */
  const takeViewSlots = (id: number, signature: NewSignature, moment: Moment) => {
    const seconds = Math.floor(moment.time / 1000)
    for (const view of signature.views) {
      const { location } = locate(view)
      const copies = inView.all(location, Buffer.from(signature.identity, 'hex')) as Copy[]
      if (copies.some((copy) => copy.id === id || superseding.isAsGood(copy.id, signature))) continue
      const { slots: taken, bytes } = room(location)
      const worse = copies.find(({ modified, size }) => {
        return modified < seconds && bytes - size + signature.blob.length <= maxBytesPerLocation
      })
      if (worse) slots.replace(location, worse.id, id, moment)
      else if (taken < maxSlot && bytes + signature.blob.length <= maxBytesPerLocation)
        slots.add(location, id, moment)
    }
  }

  return (signature: NewSignature, moment: Moment): Appended => {
    // What is refused is, as a rule, before anything is written: that is cheap to undo.
    const found = find(signature.home)
    const isForgiven = unwanted.refuse(found.place, signature)
    const { time } = moment
    const by = { time, actor: signature.actor, origin: signature.origin }
    const reason = signature.reinstate?.reason ?? null
    const present = found.location === null ? null : superseding.sameIdentity(found.location, signature)
    if (present && present.servedAs !== null && present.isAsGood) {
      sources.contribute(present.id, signature.source)
      const logged = isForgiven && log.signature(present.id)
      if (logged) {
        log.write('reinstated', logged, { ...by, reason })
        log.write('superseded', logged, by)
      }
      return {
        outcome: 'present',
        returned: isForgiven,
        signature: served(present.servedAs),
        otherHosts: null,
      }
    }
    const taken = found.location === null ? nothing : room(found.location)
    const rivals = found.location === null ? null : superseding.rivals(found.location, signature)
    const later = taken.slots ? (rivals?.later() ?? null) : null
    const earlier =
      later === null
        ? earlierOf(
            superseding,
            present?.servedAs ?? (taken.slots ? rivals?.earlier() : null) ?? null,
            moment,
          )
        : null
    if (later === null) {
      const given = earlier === null ? nothing : { slots: 1, bytes: superseding.size(earlier) }
      requireRoom(signature, { slots: taken.slots - given.slots, bytes: taken.bytes - given.bytes })
    }

    const located = locate(signature.home, found)
    const returning = present?.servedAs === null ? present.sameBytes : null
    const head = reads.head()
    const id = store(signature, located, { returning, next: head.seq + 1 })
    const { identity, sha256 } = signature
    const logged = { id, repository: signature.home.name, digest: signature.home.digest, identity, sha256 }
    const kind = returning === null && !isForgiven ? 'added' : 'reinstated'
    log.write(kind, logged, { ...by, reason }, head)
    if (later !== null) {
      superseding.markSuperseded(id, later)
      log.write('superseded', logged, by)
    } else if (earlier !== null) {
      log.write('superseded', log.signature(earlier) ?? logged, by)
      superseding.handOver(earlier, id, signature.blob.length, moment)
      takeViewSlots(id, signature, moment)
    } else {
      slots.add(located.location, id, moment)
      takeViewSlots(id, signature, moment)
    }
    const isOnTop = later === null && earlier === null && returning === null
    return {
      outcome: later === null ? 'added' : 'present',
      returned: present !== null && present.servedAs === null,
      signature: isOnTop ? justAdded(id, taken.slots + 1, signature, time) : served(later ?? id),
      otherHosts: firstSight(signature.host, time),
    }
  }
}

function storedSigner(signer: StoredSigner): StoredSigner {
  const { unverifiedKeyId, unverifiedFingerprint, unverifiedCreated, unverifiedExpires } = signer
  return { unverifiedKeyId, unverifiedFingerprint, unverifiedCreated, unverifiedExpires }
}

/** What the new one takes the slots of. Whoever signs faster than a slot may change, takes another one. */
function earlierOf(
  superseding: Superseding,
  earlier: number | null,
  { time, mayWait }: Moment,
): number | null {
  if (earlier === null) return null
  const last = superseding.lastChange(earlier)
  if (last < Math.floor(time / 1000)) return earlier
  const wait = (last + 1) * 1000 - time
  if (mayWait && wait <= 1000) throw new NextSecond(wait)
  return null
}

/** A signature of the same identity, in a view. */
interface Copy {
  id: number
  slot: number
  modified: number
  size: number
}

interface Room {
  slots: number
  bytes: number
}

const nothing: Room = { slots: 0, bytes: 0 }

/** How much a location holds: also what is only there for readers under way counts. */
export function prepareRoom(db: Connection): (location: number) => Room {
  const room = db.prepare(
    `SELECT count(*) AS slots, coalesce(sum(length(s.blob)), 0) AS bytes
     FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.location = ?`,
  )
  return (location) => room.get(location) as Room
}

function requireRoom({ home, blob }: NewSignature, { slots, bytes }: Room): void {
  if (slots >= maxSlot)
    throw new Refusal(
      'too-many-signatures',
      `${formatLocation(home)} holds ${slots} signatures, and clients fail where there are more than ${maxSlot}`,
    )
  if (bytes + blob.length > maxBytesPerLocation)
    throw new Refusal(
      'too-many-signatures',
      `${formatLocation(home)} holds ${bytes} bytes of signatures; ${maxBytesPerLocation} is the most that clients can read of one digest`,
    )
}
