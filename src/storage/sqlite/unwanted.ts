import { formatLocation } from '../../reference/tree-path.ts'
import { Refusal } from '../../refusal.ts'
import type { NewSignature } from '../storage.ts'
import type { Connection } from './connection.ts'
import type { Log } from './log.ts'
import { keyIdOf } from './rows.ts'

/** What is not taken, whoever brings it: what was withdrawn there, and whatever names a banned key. */
export function prepareUnwanted(db: Connection, log: Log) {
  const withdrawn = db.prepare('SELECT change FROM withdrawals WHERE place = ? AND identity = ?').pluck()
  const forgive = db.prepare('DELETE FROM withdrawals WHERE place = ? AND identity = ?')
  const banned = db.prepare(
    `SELECT b.fingerprint AS ban, b.fingerprint AS key, b.reason FROM banned_keys b
     UNION SELECT b.fingerprint, k.fingerprint, b.reason
     FROM banned_keys b JOIN keys k ON k.primary_fingerprint = b.fingerprint`,
  )
  const isKnown = db.prepare('SELECT 1 FROM keys WHERE fingerprint = ?').pluck()
  const isAnyBanned = db.prepare('SELECT EXISTS (SELECT 1 FROM banned_keys)').pluck()

  const refuseBanned = ({ signer }: NewSignature) => {
    if (!signer || !isAnyBanned.get()) return
    const { unverifiedKeyId, unverifiedFingerprint } = signer
    // gpg goes by the id where it does not know the fingerprint, which a thief can write as he likes.
    const isAnother = unverifiedFingerprint !== null && isKnown.get(unverifiedFingerprint) !== undefined
    const ban = (banned.all() as { ban: string; key: string; reason: string }[]).find(
      ({ key }) => key === unverifiedFingerprint || (!isAnother && keyIdOf(key) === unverifiedKeyId),
    )
    if (ban) throw new Refusal('key-banned', `The key ${ban.ban} is banned here: ${ban.reason}`)
  }

  return {
    /**
     * Returns whether it was withdrawn, and is so no more. `place`: null where it has no row yet.
     * @throws Refusal withdrawn, key-banned
     */
    refuse(place: number | null, signature: NewSignature): boolean {
      refuseBanned(signature)
      if (place === null) return false
      const identity = Buffer.from(signature.identity, 'hex')
      const seq = withdrawn.get(place, identity) as number | undefined
      if (seq === undefined) return false
      if (signature.reinstate) return forgive.run(place, identity).changes > 0
      const { time, reason } = log.change(seq)
      const day = new Date(time).toISOString().slice(0, 10)
      throw new Refusal(
        'withdrawn',
        `It was withdrawn from ${formatLocation(signature.home)} on ${day}${reason === null ? '' : `: ${reason}`}`,
      )
    },
  }
}
