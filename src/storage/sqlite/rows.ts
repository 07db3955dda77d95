import type { SignatureTimes } from '../../openpgp/verdict.ts'
import type { Digest } from '../../reference/digest.ts'
import type { Repository } from '../../reference/repository.ts'
import type { Location } from '../../reference/tree-path.ts'
import type { SignatureFormat } from '../../signature/signature.ts'
import type { Change, ChangeKind, StoredSignature } from '../storage.ts'

export type StoredVerdict = Pick<StoredSignature, 'verdict' | 'key' | 'checks'>

/** Columns of a signature, for a SELECT over `signatures s`, joined as in `addedJoins`. */
export const addedColumns = `s.id, p.name AS repository, l.digest, hex(s.identity) AS identity,
  hex(s.sha256) AS sha256, s.format, s.docker_reference AS dockerReference, s.unverified_key_id AS keyId,
  s.unverified_fingerprint AS fingerprint, s.unverified_created AS created, s.unverified_expires AS expires, s.blob,
  c.time AS added, c.actor`

export const addedJoins = `JOIN places p ON p.id = s.place
  JOIN locations l ON l.id = s.location
  JOIN changes c ON c.seq = s.id`

/** The same of one that is served. */
export const signatureColumns = `${addedColumns}, sl.slot`

export const signatureJoins = `${addedJoins}
  JOIN slots sl ON sl.signature = s.id AND sl.location = s.location AND sl.leaves IS NULL`

export interface AddedRow {
  id: number
  repository: string
  digest: string
  identity: string
  sha256: string
  format: SignatureFormat
  dockerReference: string
  keyId: string | null
  fingerprint: string | null
  created: number | null
  expires: number | null
  blob: Buffer
  added: number
  actor: string
}

export interface SignatureRow extends AddedRow {
  slot: number
}

/** Null for a form that says no such times. */
export function timesOf({ created, expires }: AddedRow): SignatureTimes | null {
  return created === null ? null : { unverifiedCreated: created, unverifiedExpires: expires }
}

export function addedSignature<Row extends AddedRow>(row: Row) {
  const { keyId, fingerprint, created, expires, ...rest } = row
  return {
    ...rest,
    repository: row.repository as Repository,
    digest: row.digest as Digest,
    identity: row.identity.toLowerCase(),
    sha256: row.sha256.toLowerCase(),
    signer:
      keyId === null || created === null
        ? null
        : {
            unverifiedKeyId: keyId,
            unverifiedFingerprint: fingerprint,
            unverifiedCreated: created,
            unverifiedExpires: expires,
          },
  }
}

export interface LocationRow {
  kind: Location['kind']
  name: string
  digest: string
}

/** Names and digests were parsed before they were stored. */
export function location({ kind, name, digest }: LocationRow): Location {
  return { kind, name, digest } as Location
}

export const changeColumns = `c.seq, c.time, c.kind, c.signature, p.name AS repository, l.digest,
  lower(hex(s.identity)) AS identity, lower(hex(s.sha256)) AS sha256, c.actor, c.reason, lower(hex(c.hash)) AS hash`

export const changeJoins = `JOIN signatures s ON s.id = c.signature
  JOIN places p ON p.id = s.place
  JOIN locations l ON l.id = s.location`

export interface ChangeRow extends Omit<Change, 'repository' | 'digest'> {
  kind: ChangeKind
  repository: string
  digest: string
}

/** Of a version 6 key the id is the start of the fingerprint, of others its end. */
export function keyIdOf(key: string): string {
  return key.length === 64 ? key.slice(0, 16) : key.slice(-16)
}
