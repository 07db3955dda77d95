import { type KeyState, type Stretch, stateAt } from '../../openpgp/key-state.ts'
import {
  judge,
  type SignatureTimes,
  type Standing,
  standingAt,
  standings,
  type VerdictName,
  verdictOf,
} from '../../openpgp/verdict.ts'
import type { CheckResult } from '../../openpgp/verify.ts'
import type { StoredSignature } from '../storage.ts'
import type { KeyringKey, StoredCheck } from '../verdicts.ts'
import type { Connection } from './connection.ts'
import { merged } from './merged.ts'
import type { StoredVerdict } from './rows.ts'
import { prepareTurning } from './turning.ts'

/** The row of the keys of signatures that were tried with no key; see migrations/0002-verdicts.sql. */
const nobody = 0

interface KeyRow {
  id: number
  fingerprint: string
  keyId: string
  primaryFingerprint: string
  userId: string | null
  timeline: string | null
  tried: number
}

/** A key that is or was in the keyring; outside it, it says nothing. */
interface KnownKey extends KeyringKey {
  id: number
  tried: number
  vouches: boolean
}

interface CheckRow {
  key: number
  standing: Standing | 'unknown'
}

/** What keys say of signatures: every statement that reads it, and the jobs of a transaction that change it. */
export function prepareVerdicts(db: Connection, clock: () => number) {
  const version = db.prepare("SELECT value FROM meta WHERE key = 'keyring'").pluck()
  const keyRows = db.prepare(
    `SELECT id, fingerprint, key_id AS keyId, primary_fingerprint AS primaryFingerprint, user_id AS userId, timeline,
       tried FROM keys`,
  )
  const checkRows = db.prepare('SELECT key, standing FROM checks WHERE signature = ?')
  const ofStanding = db
    .prepare(
      'SELECT signature FROM checks WHERE key = ? AND standing = ? AND signature > ? ORDER BY signature LIMIT ?',
    )
    .pluck()
  const untried = db.prepare(
    `SELECT s.id, s.blob FROM signatures s JOIN keys k ON k.fingerprint = @fingerprint
     WHERE s.unverified_key_id = k.key_id AND s.id > @after
       AND s.superseded_by IS NULL AND s.gone = 0
       AND (s.unverified_fingerprint IS NULL OR s.unverified_fingerprint = k.fingerprint)
       AND NOT EXISTS (SELECT 1 FROM checks c WHERE c.signature = s.id AND c.key = k.id)
     ORDER BY s.id LIMIT @limit`,
  )
  const insertCheck = db.prepare(
    'INSERT INTO checks (key, standing, signature, turns) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const forget = db.prepare('DELETE FROM checks WHERE signature = ?')
  const makeNobodys = db.prepare(`INSERT INTO checks VALUES (${nobody}, 'unknown', ?, NULL)`)
  const insertRevived = db.prepare('INSERT INTO revived VALUES (?) ON CONFLICT DO NOTHING')
  const revived = db.prepare(
    'SELECT s.id, s.blob FROM revived r CROSS JOIN signatures s ON s.id = r.signature ORDER BY r.signature LIMIT ?',
  )
  const dropRevived = db.prepare('DELETE FROM revived WHERE signature = ?')
  const forgetNobody = db.prepare(
    `DELETE FROM checks WHERE key = ${nobody} AND standing = 'unknown' AND signature = ?`,
  )
  const upsertKey = db.prepare(
    `INSERT INTO keys (fingerprint, key_id, primary_fingerprint, user_id, timeline) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (fingerprint) DO UPDATE SET primary_fingerprint = excluded.primary_fingerprint,
       user_id = excluded.user_id, timeline = excluded.timeline`,
  )
  const dropKeys = db.prepare('UPDATE keys SET timeline = NULL WHERE timeline IS NOT NULL')
  const setTried = db.prepare('UPDATE keys SET tried = ? WHERE timeline IS NOT NULL AND tried < ?')
  const countKeyring = db.prepare(
    `INSERT INTO meta VALUES ('keyring', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1`,
  )

  const seconds = () => Math.floor(clock() / 1000)

  const turning = prepareTurning(db, seconds)

  let known: { version: unknown; byId: Map<number, KnownKey>; byFingerprint: Map<string, KnownKey> } | null =
    null
  /** Read again where another connection has changed it. */
  const keys = () => {
    const now = version.get() ?? null
    if (known?.version !== now || !known) {
      const all = (keyRows.all() as KeyRow[]).map(knownKey)
      known = {
        version: now,
        byId: new Map(all.map((key) => [key.id, key])),
        byFingerprint: new Map(all.map((key) => [key.fingerprint, key])),
      }
    }
    return known
  }

  /** The signature's verdict now, and what it rests on. */
  const verdictFor = (id: number, times: SignatureTimes | null): StoredVerdict => {
    const { byId } = keys()
    const tried = (checkRows.all(id) as CheckRow[]).flatMap(({ key: row, standing }) => {
      const key = byId.get(row)
      return key?.vouches && standing !== 'unknown' ? [{ key, result: resultOf(standing) }] : []
    })
    const checks = tried.map(({ key, result }) => ({ fingerprint: key.fingerprint, result }))
    if (!times || !tried.length) return { verdict: 'unknown-key', key: null, checks }
    const { verdict, key } = verdictOf(times, tried, seconds())
    return { verdict, key: key && shownKey(key), checks }
  }

  const addCheck = (signature: number, { fingerprint, result }: StoredCheck, times: SignatureTimes) => {
    const key = keys().byFingerprint.get(fingerprint)
    if (!key) return
    const now = seconds()
    const { standing, until } = standingAt(times, result, now)
    insertCheck.run(key.id, standing, signature, until)
    forgetNobody.run(signature)
    if (result === 'good') turning.written(now)
  }

  /** Stretches of the index that hold all signatures of a verdict, each in the order of their numbers. */
  const stretchesOf = (
    verdict: VerdictName,
    keyId: string | undefined,
  ): [key: number, standing: string][] => {
    const now = seconds()
    return [...keys().byId.values()].flatMap((key): [number, string][] => {
      if (keyId !== undefined && key.keyId !== keyId) return []
      if (key.id === nobody) return verdict === 'unknown-key' ? [[nobody, 'unknown']] : []
      const state = key.vouches ? stateAt(key.timeline, now) : null
      return standings
        .filter((standing) => verdictBy(standing, state) === verdict)
        .map((standing) => [key.id, standing])
    })
  }

  return {
    verdictFor,
    rowOf: (fingerprint: string) => keys().byFingerprint.get(fingerprint)?.id ?? null,

    /**
     * The numbers, ascending, of all signatures that may have this verdict: those of another are to be left out, as
     * where two keys of one id were tried.
     */
    mayHave: (verdict: VerdictName, keyId: string | undefined, after: number): Iterable<number> =>
      merged(
        stretchesOf(verdict, keyId).map(([key, standing]) => (from, count) => {
          return ofStanding.all(key, standing, from, count) as number[]
        }),
        after,
      ),

    keyring: () => [...keys().byId.values()].filter(({ vouches }) => vouches),
    untried: (fingerprint: string, after: number, limit: number) =>
      untried.all({ fingerprint, after, limit }) as { id: number; blob: Buffer }[],

    setKeyring(keyring: readonly KeyringKey[]): void {
      if (isSame(keyring, keys().byId)) return
      dropKeys.run()
      for (const { fingerprint, keyId, primaryFingerprint, userId, timeline } of keyring)
        upsertKey.run(fingerprint, keyId, primaryFingerprint, userId, writeTimeline(timeline))
      countKeyring.run()
      known = null
    },

    /** Of a signature that is new: a trigger has made it nobody's. */
    addFirstChecks(signature: number, checks: readonly StoredCheck[], times: SignatureTimes | null): void {
      if (times) for (const check of checks) addCheck(signature, check, times)
    },

    /** Of one that is served again: as if it were new. */
    revive(signature: number): void {
      forget.run(signature)
      makeNobodys.run(signature)
    },
    /** Of one that comes back without having been tried anew. */
    mustTry: (signature: number): void => void insertRevived.run(signature),
    revived: (limit: number) => revived.all(limit) as { id: number; blob: Buffer }[],
    settleRevived(signatures: readonly number[]): void {
      for (const signature of signatures) dropRevived.run(signature)
    },

    /** Of one that is no longer served: listings must not come across it. */
    forget: (signature: number): void => void forget.run(signature),

    addChecks(checks: readonly (StoredCheck & { signature: number })[]): void {
      for (const check of checks) addCheck(check.signature, check, turning.timesOf(check.signature))
    },

    setTried(signature: number): void {
      setTried.run(signature, signature)
      known = null
    },

    isTurnDue: turning.isDue,
    turnStandings: turning.turn,
  }
}

export type VerdictStatements = ReturnType<typeof prepareVerdicts>

function verdictBy(standing: Standing, state: KeyState | null): VerdictName {
  return state === null ? 'unknown-key' : judge(standing, state)
}

function resultOf(standing: Standing): CheckResult {
  return standing === 'early' || standing === 'over' ? 'good' : standing
}

function knownKey({ timeline, ...row }: KeyRow): KnownKey {
  return { ...row, vouches: timeline !== null, timeline: timeline === null ? [] : readTimeline(timeline) }
}

function shownKey({ fingerprint, keyId, primaryFingerprint, userId }: KeyringKey): StoredSignature['key'] {
  return { fingerprint, keyId, primaryFingerprint, userId }
}

function isSame(keyring: readonly KeyringKey[], known: Map<number, KnownKey>): boolean {
  const text = ({ fingerprint, primaryFingerprint, userId, timeline }: KeyringKey) =>
    JSON.stringify([fingerprint, primaryFingerprint, userId, writeTimeline(timeline)])
  const before = [...known.values()].filter(({ vouches }) => vouches).map(text)
  return keyring.length === before.length && new Set(before).isSupersetOf(new Set(keyring.map(text)))
}

/** JSON has no infinity. */
function writeTimeline(timeline: readonly Stretch[]): string {
  return JSON.stringify(timeline.map(({ from, state }) => [Number.isFinite(from) ? from : null, state]))
}

function readTimeline(text: string): Stretch[] {
  const stretches = JSON.parse(text) as [number | null, KeyState][]
  return stretches.map(([from, state]) => ({ from: from ?? Number.NEGATIVE_INFINITY, state }))
}
