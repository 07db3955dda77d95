import { hash } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { packetTag } from '../../src/openpgp/packets.ts'
import { type Digest, parseDigest } from '../../src/reference/digest.ts'
import { parseRepository, type Repository } from '../../src/reference/repository.ts'
import { identityOfMessage } from '../../src/signature/identity.ts'
import { readSignature, type Signature } from '../../src/signature/signature.ts'
import { chainHash, chainStart } from '../../src/storage/chain.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import {
  created,
  expires,
  issuer,
  issuerFingerprint,
  literal,
  mpi,
  onePass,
  packet,
  signature,
} from '../openpgp/write.ts'
import { claimOf, exampleDigest } from '../signing.ts'
import { signaturesPerDigest } from './data-folder.ts'

export const repositories = 20_000
const keys = 100

/** As long as those of real keys can get. */
const blobBytes = 1180

const host = 'registry.example.com'

/** Unix seconds: digests were signed one a second from then on, and signatures that expire do so ten years later. */
const start = Date.UTC(2025, 0, 1) / 1000
const tenYears = 10 * 365 * 86_400

/** Room for the indexes that are written to all over, so that each page goes to the disk once. */
const cacheKibibytes = 3 * 1024 * 1024
const digestsBetweenNews = 10_000

/** The digest of that number, the same in every database. */
export const digestOf = (index: number): Digest =>
  parseDigest(`sha256:${hash('sha256', String(index), 'hex')}`)

/** Every fifth digest is in the first repository, the others are spread over the rest. */
export function repositoryOf(index: number): Repository {
  const number = index % 5 === 0 ? 0 : 1 + ((index - Math.floor(index / 5) - 1) % (repositories - 1))
  return parseRepository(`team${String(number).padStart(5, '0')}/app`)
}

/**
 * Fills an empty data folder with digests of two signatures each, as uploads would, but all at once and without the tree:
 * some minutes for five million. A power cut leaves nothing that can be used.
 */
export async function fillBigDatabase(
  dataFolder: string,
  digests: number,
  onProgress: (done: number) => void,
): Promise<void> {
  const storage = openSqlite({ dataFolder })
  const { seq } = await storage.head()
  await storage.close()
  if (seq > 0) throw new Error(`${dataFolder} is filled already`)
  const db = new Database(join(dataFolder, 'lookaside.db'))
  try {
    // Pages that were not there before are in no journal.
    for (const setting of [
      'journal_mode = MEMORY',
      'synchronous = OFF',
      'foreign_keys = OFF',
      `cache_size = -${cacheKibibytes}`,
    ])
      db.pragma(setting)
    const fill = filling(db)
    db.transaction(() => {
      for (let index = 0; index < digests; index++) {
        fill(index)
        if ((index + 1) % digestsBetweenNews === 0) onProgress(index + 1)
      }
    })()
    db.prepare('INSERT INTO hosts VALUES (?, ?)').run(host, start * 1000)
    db.pragma('journal_mode = WAL')
  } finally {
    db.close()
  }
}

/** What src/storage/sqlite/append.ts writes of a signature that is new and supersedes nothing. */
function filling(db: Database.Database): (index: number) => void {
  const addPlace = db.prepare("INSERT INTO places (kind, name) VALUES ('repository', ?)")
  const touchPlace = db.prepare('UPDATE places SET changed = ? WHERE id = ?')
  const addLocation = db.prepare(
    'INSERT INTO locations (place, digest, version, changed) VALUES (?, ?, ?, ?)',
  )
  const addSignature = db.prepare(
    `INSERT INTO signatures (id, place, location, identity, sha256, format, docker_reference, unverified_key_id,
       unverified_fingerprint, unverified_created, unverified_expires, blob) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const addSlot = db.prepare('INSERT INTO slots (location, slot, signature, modified) VALUES (?, ?, ?, ?)')
  const addChange = db.prepare("INSERT INTO changes VALUES (?, ?, 'added', ?, 'bench', NULL, ?)")

  const blobOf = blobs()
  const places = new Map<Repository, number>()
  let seq = 0
  let head = chainStart

  return (index) => {
    const repository = repositoryOf(index)
    const digest = digestOf(index)
    const seconds = start + index
    const place = places.get(repository) ?? Number(addPlace.run(repository).lastInsertRowid)
    places.set(repository, place)
    touchPlace.run(seconds, place)
    const location = addLocation.run(place, digest, seq + signaturesPerDigest, seconds).lastInsertRowid
    for (let slot = 1; slot <= signaturesPerDigest; slot++) {
      seq++
      const { blob, identity, sha256, format, dockerReference, signer } = blobOf(repository, digest, seq)
      addSignature.run(
        seq,
        place,
        location,
        Buffer.from(identity, 'hex'),
        Buffer.from(sha256, 'hex'),
        format,
        dockerReference,
        signer?.unverifiedKeyId,
        signer?.unverifiedFingerprint,
        signer?.unverifiedCreated,
        signer?.unverifiedExpires,
        blob,
      )
      addSlot.run(location, slot, seq, seconds)
      const time = seconds * 1000
      const change = {
        seq,
        time,
        kind: 'added' as const,
        signature: seq,
        repository,
        digest,
        identity,
        sha256,
      }
      head = chainHash(head, { ...change, actor: 'bench', reason: null })
      addChange.run(seq, time, seq, Buffer.from(head, 'hex'))
    }
  }
}

type Written = Pick<Signature, 'blob' | 'identity' | 'sha256' | 'format' | 'signer'> & {
  dockerReference: string
}

/**
 * Well-formed signatures that no key has made: of each key id one is written and read, and changed from then on. What is
 * returned is good until the next one of that key.
 */
function blobs(): (repository: Repository, digest: Digest, number: number) => Written {
  const reference = (repository: Repository) => `${host}/${repository}:1.0`
  const first = claimOf({ reference: reference(repositoryOf(0)), digest: exampleDigest() })
  const templates = Array.from({ length: keys }, (_, key) => {
    const blob = templateOf(first, key)
    const { message, claim, ...read } = readSignature(blob)
    if (!message) throw new Error('The template is no OpenPGP message')
    const claimAt = blob.indexOf(first)
    const value = [blob.subarray(blob.length - (message.signature.value[0]?.length ?? 0))]
    return {
      ...read,
      blob,
      message: {
        payload: blob.subarray(claimAt, claimAt + first.length),
        signature: { ...message.signature, value },
      },
      referenceAt: blob.indexOf(claim.dockerReference),
      digestAt: blob.indexOf(claim.digest),
    }
  })
  return (repository, digest, number) => {
    const { blob, message, referenceAt, digestAt, ...read } = templates[
      number % keys
    ] as (typeof templates)[number]
    const dockerReference = reference(repository)
    blob.write(dockerReference, referenceAt, 'latin1')
    blob.write(digest, digestAt, 'latin1')
    // The end of the value.
    blob.writeUInt32BE(number, blobBytes - 4)
    return {
      ...read,
      blob,
      dockerReference,
      identity: identityOfMessage(message),
      sha256: hash('sha256', blob, 'hex'),
    }
  }
}

/** Each fourth key makes signatures that expire. */
function templateOf(claim: string, key: number): Buffer {
  const keyId = hash('sha256', `key ${key}`, 'hex').slice(0, 16).toUpperCase()
  const hashed = [created(start), issuerFingerprint(`00112233445566778899AABB${keyId}`)]
  if (key % 4 === 0) hashed.push(expires(tenYears))
  const written = (valueOctets: number) =>
    Buffer.concat([
      packet(packetTag.onePassSignature, onePass({ issuer: keyId })),
      packet(packetTag.literal, literal(claim)),
      packet(
        packetTag.signature,
        signature({
          hashed: Buffer.concat(hashed),
          unhashed: issuer(keyId),
          value: mpi(Buffer.alloc(valueOctets, 0xa5)),
        }),
      ),
    ])
  const someOctets = 512
  return written(someOctets + blobBytes - written(someOctets).length)
}
