import { formatLocation, type Location, maxSlot } from '../../reference/tree-path.ts'
import { Refusal } from '../../refusal.ts'
import { chainHash } from '../chain.ts'
import type { StoredSignature } from '../storage.ts'
import { type Appended, type Change, maxBytesPerLocation, type NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
import type { Reads } from './read.ts'
import { prepareSuperseding } from './supersede.ts'
import type { VerdictStatements } from './verdicts.ts'

/** The append wants a slot of which the content has changed in this very second; milliseconds until the next one. */
export interface Wait {
  wait: number
}

/** The append, as a job of one transaction: it may throw at any step, and the transaction undoes what it did. */
export function prepareAppend(
  db: Connection,
  reads: Reads,
  verdicts: VerdictStatements,
  clock: () => number,
) {
  const locate = prepareLocate(db)
  const superseding = prepareSuperseding(db, verdicts)
  const room = db.prepare(
    `SELECT count(*) AS slots, coalesce(sum(length(s.blob)), 0) AS bytes
     FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.location = ?`,
  )
  const inView = db.prepare(
    `SELECT s.id, sl.slot, sl.modified, length(s.blob) AS size FROM slots sl JOIN signatures s ON s.id = sl.signature
     WHERE sl.location = ? AND s.identity = ? ORDER BY sl.slot`,
  )
  const giveSlot = db.prepare('UPDATE slots SET signature = ?, modified = ? WHERE location = ? AND slot = ?')
  const insertSignature = db.prepare(
    `INSERT INTO signatures (id, place, location, identity, sha256, format, docker_reference, unverified_key_id,
       unverified_fingerprint, unverified_created, unverified_expires, blob) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const insertSlot = db.prepare('INSERT INTO slots (location, slot, signature, modified) VALUES (?, ?, ?, ?)')
  const insertChange = db.prepare(
    'INSERT INTO changes (seq, time, kind, signature, actor, reason, hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const insertHost = db.prepare('INSERT INTO hosts VALUES (?, ?) ON CONFLICT DO NOTHING')
  const otherHosts = db.prepare('SELECT host FROM hosts WHERE host <> ? ORDER BY seen, host').pluck()

  const firstSight = (host: string, time: number): string[] | null => {
    if (!insertHost.run(host, time).changes) return null
    const others = otherHosts.all(host) as string[]
    return others.length ? others : null
  }

  const served = (id: number) => reads.find(id) as StoredSignature

  const log = (change: Omit<Change, 'seq' | 'hash' | 'reason'>) => {
    const head = reads.head()
    const row = { ...change, seq: head.seq + 1, reason: null }
    const hash = Buffer.from(chainHash(head.hash, row), 'hex')
    insertChange.run(row.seq, row.time, row.kind, row.signature, row.actor, row.reason, hash)
  }

  const add = (id: number, signature: NewSignature, { place, location }: Located) => {
    const { identity, sha256, format, dockerReference, signer, blob, checks } = signature
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
    )
    verdicts.addFirstChecks(id, checks, signer)
  }

  const takeNewSlots = (id: number, signature: NewSignature, seconds: number, { location }: Located) => {
    const { slots } = room.get(location) as Room
    insertSlot.run(location, slots + 1, id, seconds)
    takeViewSlots(id, signature, seconds)
  }

  /**
   * A full view keeps its first signatures: the repository has them all. What is in it from another repository stays,
   * unless it is a copy that no key has made: that gives its slot away.
   */
  const takeViewSlots = (id: number, signature: NewSignature, seconds: number) => {
    for (const view of signature.views) {
      const { location } = locate(view)
      const copies = inView.all(location, Buffer.from(signature.identity, 'hex')) as Copy[]
      if (copies.some((copy) => copy.id === id || superseding.isAsGood(copy.id, signature))) continue
      const { slots, bytes } = room.get(location) as Room
      const worse = copies.find(({ modified, size }) => {
        return modified < seconds && bytes - size + signature.blob.length <= maxBytesPerLocation
      })
      if (worse) giveSlot.run(id, seconds, location, worse.slot)
      else if (slots < maxSlot && bytes + signature.blob.length <= maxBytesPerLocation)
        insertSlot.run(location, slots + 1, id, seconds)
    }
  }

  return (signature: NewSignature, { mayWait }: { mayWait: boolean }): Appended | Wait => {
    const located = locate(signature.home)
    const present = superseding.sameIdentity(located.location, signature)
    if (present?.isAsGood)
      return { outcome: 'present', signature: served(present.servedAs), otherHosts: null }

    const time = clock()
    const seconds = Math.floor(time / 1000)
    const later = superseding.later(located.location, signature)
    let earlier = later ? null : (present?.servedAs ?? superseding.earlier(located.location, signature))
    if (earlier !== null && superseding.lastChange(earlier) >= seconds) {
      const wait = (superseding.lastChange(earlier) + 1) * 1000 - time
      if (mayWait && wait <= 1000) return { wait }
      // Whoever signs faster than a slot may change, or after a clock that was ahead, takes another one.
      earlier = null
    }
    if (later === null) {
      const { slots, bytes } = room.get(located.location) as Room
      const given = earlier === null ? { slots: 0, bytes: 0 } : { slots: 1, bytes: superseding.size(earlier) }
      requireRoom(signature, { slots: slots - given.slots, bytes: bytes - given.bytes })
    }

    const id = reads.head().seq + 1
    const change = {
      time,
      actor: signature.actor,
      repository: signature.home.name,
      digest: signature.home.digest,
    }
    const { identity, sha256 } = signature
    add(id, signature, located)
    log({ ...change, kind: 'added', signature: id, identity, sha256 })
    if (later !== null) {
      superseding.markSuperseded(id, later)
      log({ ...change, kind: 'superseded', signature: id, identity, sha256 })
    } else if (earlier !== null) {
      log({ ...change, kind: 'superseded', signature: earlier, ...superseding.hashesOf(earlier) })
      superseding.handOver(earlier, id, signature.blob.length, seconds)
      takeViewSlots(id, signature, seconds)
    } else takeNewSlots(id, signature, seconds, located)
    return {
      outcome: later === null ? 'added' : 'present',
      signature: served(later ?? id),
      otherHosts: firstSight(signature.host, time),
    }
  }
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
