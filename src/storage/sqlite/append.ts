import { formatLocation, type Location, maxSlot } from '../../reference/tree-path.ts'
import { Refusal } from '../../refusal.ts'
import { chainHash } from '../chain.ts'
import { type Appended, maxBytesPerLocation, type NewSignature, type StoredSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
import type { Reads } from './read.ts'

/** The append, as a job of one transaction: it may throw at any step, and the transaction undoes what it did. */
export function prepareAppend(db: Connection, reads: Reads, clock: () => number) {
  const locate = prepareLocate(db)
  const present = db.prepare('SELECT id FROM signatures WHERE location = ? AND identity = ?').pluck()
  const room = db.prepare(
    `SELECT count(*) AS slots, coalesce(sum(length(s.blob)), 0) AS bytes
     FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.location = ?`,
  )
  const inView = db
    .prepare(
      `SELECT 1 FROM slots sl JOIN signatures s ON s.id = sl.signature WHERE sl.location = ? AND s.identity = ?`,
    )
    .pluck()
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

  return (signature: NewSignature): Appended => {
    const home = locate(signature.home)
    const identity = Buffer.from(signature.identity, 'hex')
    const known = present.get(home.location, identity) as number | undefined
    if (known !== undefined)
      return { outcome: 'present', signature: reads.find(known) as StoredSignature, otherHosts: null }

    const { slots, bytes } = room.get(home.location) as { slots: number; bytes: number }
    requireRoom(signature, slots, bytes)

    const time = clock()
    const seconds = Math.floor(time / 1000)
    const head = reads.head()
    const id = head.seq + 1
    const { signer } = signature
    insertSignature.run(
      id,
      home.place,
      home.location,
      identity,
      Buffer.from(signature.sha256, 'hex'),
      signature.format,
      signature.dockerReference,
      signer?.unverifiedKeyId ?? null,
      signer?.unverifiedFingerprint ?? null,
      signer?.unverifiedCreated ?? null,
      signer?.unverifiedExpires ?? null,
      signature.blob,
    )
    insertSlot.run(home.location, slots + 1, id, seconds)
    for (const view of signature.views) {
      const { location } = locate(view)
      if (inView.get(location, identity)) continue
      const taken = room.get(location) as { slots: number; bytes: number }
      // A full view keeps its first signatures: the repository has them all.
      if (taken.slots < maxSlot && taken.bytes + signature.blob.length <= maxBytesPerLocation)
        insertSlot.run(location, taken.slots + 1, id, seconds)
    }
    const { name: repository, digest } = signature.home
    const { sha256, actor } = signature
    const change = {
      seq: id,
      time,
      kind: 'added',
      signature: id,
      repository,
      digest,
      identity: signature.identity,
    } as const
    const hash = chainHash(head.hash, { ...change, sha256, actor, reason: null })
    insertChange.run(id, time, 'added', id, actor, null, Buffer.from(hash, 'hex'))
    return {
      outcome: 'added',
      signature: reads.find(id) as StoredSignature,
      otherHosts: firstSight(signature.host, time),
    }
  }
}

function requireRoom({ home, blob }: NewSignature, slots: number, bytes: number): void {
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

  return ({ kind, name, digest }: Location): { place: number; location: number } => {
    const place =
      (findPlace.get(name, kind) as number | undefined) ?? Number(addPlace.run(name, kind).lastInsertRowid)
    const location =
      (findLocation.get(place, digest) as number | undefined) ??
      Number(addLocation.run(place, digest).lastInsertRowid)
    return { place, location }
  }
}
