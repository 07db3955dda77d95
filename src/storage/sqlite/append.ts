import { formatLocation, type Location, maxSlot } from '../../reference/tree-path.ts'
import { Refusal } from '../../refusal.ts'
import type { Appended, StoredSignature } from '../storage.ts'
import { maxBytesPerLocation, type NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
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
  const insertHost = db.prepare('INSERT INTO hosts VALUES (?, ?) ON CONFLICT DO NOTHING')
  const otherHosts = db.prepare('SELECT host FROM hosts WHERE host <> ? ORDER BY seen, host').pluck()

  const firstSight = (host: string, time: number): string[] | null => {
    if (!insertHost.run(host, time).changes) return null
    const others = otherHosts.all(host) as string[]
    return others.length ? others : null
  }

  const served = (id: number) => reads.find(id) as StoredSignature

  /** Stores it, or finds it where it was stored before and taken away. */
  const store = (signature: NewSignature, { place, location }: Located, returning: number | null): number => {
    const { identity, sha256, format, dockerReference, signer, blob, checks } = signature
    const id = returning ?? reads.head().seq + 1
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
    if (returning === null || !signature.reinstate || !sources.isAnybodys(id))
      sources.contribute(id, signature.source)
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
    const located = locate(signature.home)
    const isForgiven = unwanted.refuse(located.place, signature)
    const { time } = moment
    const reason = signature.reinstate?.reason ?? null
    const present = superseding.sameIdentity(located.location, signature)
    if (present && present.servedAs !== null && present.isAsGood) {
      sources.contribute(present.id, signature.source)
      const logged = isForgiven && log.signature(present.id)
      if (logged) {
        log.write('reinstated', logged, { time, actor: signature.actor, reason })
        log.write('superseded', logged, { time, actor: signature.actor })
      }
      return {
        outcome: 'present',
        returned: isForgiven,
        signature: served(present.servedAs),
        otherHosts: null,
      }
    }
    const later = superseding.later(located.location, signature)
    const earlier = later === null ? earlierOf(superseding, located, signature, present, moment) : null
    if (later === null) {
      const { slots: taken, bytes } = room(located.location)
      const given = earlier === null ? { slots: 0, bytes: 0 } : { slots: 1, bytes: superseding.size(earlier) }
      requireRoom(signature, { slots: taken - given.slots, bytes: bytes - given.bytes })
    }

    const returning = present?.servedAs === null ? present.sameBytes : null
    const id = store(signature, located, returning)
    const { identity, sha256, actor } = signature
    const logged = { id, repository: signature.home.name, digest: signature.home.digest, identity, sha256 }
    const kind = returning === null && !isForgiven ? 'added' : 'reinstated'
    log.write(kind, logged, { time, actor, reason })
    if (later !== null) {
      superseding.markSuperseded(id, later)
      log.write('superseded', logged, { time, actor })
    } else if (earlier !== null) {
      log.write('superseded', log.signature(earlier) ?? logged, { time, actor })
      superseding.handOver(earlier, id, signature.blob.length, moment)
      takeViewSlots(id, signature, moment)
    } else {
      slots.add(located.location, id, moment)
      takeViewSlots(id, signature, moment)
    }
    return {
      outcome: later === null ? 'added' : 'present',
      returned: present !== null && present.servedAs === null,
      signature: served(later ?? id),
      otherHosts: firstSight(signature.host, time),
    }
  }
}

/** What the new one takes the slots of. Whoever signs faster than a slot may change, takes another one. */
function earlierOf(
  superseding: Superseding,
  { location }: Located,
  signature: NewSignature,
  present: { servedAs: number | null } | null,
  { time, mayWait }: Moment,
): number | null {
  const earlier = present?.servedAs ?? superseding.earlier(location, signature)
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

interface Located {
  place: number
  location: number
}

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

/** The row numbers of a location and its place; both are made where they are missing. */
export function prepareLocate(db: Connection) {
  const findPlace = db.prepare('SELECT id FROM places WHERE name = ? AND kind = ?').pluck()
  const addPlace = db.prepare('INSERT INTO places (name, kind) VALUES (?, ?)')
  const findLocation = db.prepare('SELECT id FROM locations WHERE place = ? AND digest = ?').pluck()
  const addLocation = db.prepare('INSERT INTO locations (place, digest) VALUES (?, ?)')

  return ({ kind, name, digest }: Location): Located => {
    const place =
      (findPlace.get(name, kind) as number | undefined) ?? Number(addPlace.run(name, kind).lastInsertRowid)
    const location =
      (findLocation.get(place, digest) as number | undefined) ??
      Number(addLocation.run(place, digest).lastInsertRowid)
    return { place, location }
  }
}
